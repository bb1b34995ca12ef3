"""The stack that has the last word over a network and its experts. Imports TensorFlow.

Stacked generalisation with non-negative weights (Wolpert 1992; Breiman 1996, "Stacked
Regressions", section 2). The weights are learned on rows that neither the network nor the experts
were fitted to: see `components.training.stacking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.experts.margins import Margins
from models.lazy import keras, tf

NETWORK = "network"


class LastWord(keras.layers.Layer):  # type: ignore[misc]
    """Raw outputs of a task: w0 · network + sum of wk · margins of expert k + bias.

    At first w0 is 1 and all else 0: the network alone.

    members: names, in the order of the weights. weights: by task, float32 [members], not negative.
    biases: by task, float32 [units].
    """

    def __init__(self, units: Mapping[str, int], experts: tuple[str, ...], **options: Any) -> None:
        """units: raw outputs by task."""
        super().__init__(**{"name": "last_word", "dtype": "float32"} | options)
        self.members = (NETWORK, *experts)
        self.tasks, self.units = tuple(units), tuple(units.values())
        self.member_weights, self.biases = [], []
        for i, width in enumerate(self.units if experts else ()):
            start = np.eye(1, len(self.members), dtype=np.float32)[0]
            weights = self.add_weight(
                shape=start.shape, initializer="zeros", trainable=False, name=f"weights{i}"
            )
            weights.assign(start)
            self.member_weights.append(weights)
            self.biases.append(
                self.add_weight(
                    shape=(width,), initializer="zeros", trainable=False, name=f"bias{i}"
                )
            )
        self.built = True

    @property
    def without_network(self) -> bool:
        """Whether no task gives the network any weight; known also while a graph is traced."""
        with tf.init_scope():
            weights = [float(np.asarray(w.value)[0]) for w in self.member_weights]
        return bool(weights) and not any(weights)

    @property
    def margins(self) -> tuple[Margins, ...]:
        """The column of the experts' margins; empty without experts."""
        experts = len(self.members) - 1
        return (Margins(width=experts * sum(self.units)),) if experts else ()

    def assign(self, task: str, weights: np.ndarray, bias: np.ndarray) -> None:
        """Set what a task learned."""
        i = self.tasks.index(task)
        self.member_weights[i].assign(weights)
        self.biases[i].assign(bias)

    def call(
        self, outputs: Mapping[str, keras.KerasTensor] | None, margins: keras.KerasTensor | None
    ) -> dict[str, keras.KerasTensor]:
        """Raw outputs [batch, units] by task.

        outputs: of the network; None if it has no weight, so that it need not be computed.
        margins: [batch, experts x units of all tasks]; None without experts.
        """
        if margins is None or not self.member_weights:
            return dict(outputs or {})
        combined, first, every = {}, 0, sum(self.units)
        for i, (task, units) in enumerate(zip(self.tasks, self.units, strict=True)):
            weights = self.member_weights[i]
            total = 0.0 if outputs is None else outputs[task] * weights[0]
            for k in range(len(self.members) - 1):
                at = k * every + first
                total = total + weights[k + 1] * margins[:, at : at + units]
            combined[task] = total + self.biases[i]
            first += units
        return combined
