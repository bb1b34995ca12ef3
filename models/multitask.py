"""The model: shared trunk, branches, heads. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from models.balancing.base import Balancing, GradientBalancer
from models.features import REPRESENTATION, Feature
from models.heads import Head, head_for
from models.lazy import keras
from models.sharing.base import Sharing
from models.task import TaskTarget
from models.train_step import EpochTotals, test_step, train_step
from models.trunks.base import Trunk

if TYPE_CHECKING:
    import tensorflow as tf

Tensors = Mapping[str, keras.KerasTensor]


class MultitaskModel(keras.Model):  # type: ignore[misc]
    """From {feature name: [batch, ...]} to {task name: raw outputs [batch, units]}.

    `answers` gives what is served. `fit` and `evaluate` take a dataset of (features, labels), both
    dicts. Their logs hold `loss` (the tasks' losses, each times its task's `weight`, summed: one
    scale for all balancing methods), `<task>_loss`, `<task>_<metric>` and, in training, `objective`
    (what the balancing method made of the losses) and `<task>_weight` (its derivative by the task's
    loss; of methods that balance gradients, what the task's gradient was multiplied by). Those add
    `<task>_gradient_norm`, `gradient_cosine` and `conflict_rate`: see `models.gradient_step`.

    trunk: features to the shared representation. towers: from there to every task's raw outputs.
    trunk_trains: whether the trunk leaves inference mode while the model trains.
    """

    def __init__(
        self,
        features: tuple[Feature, ...],
        targets: tuple[TaskTarget, ...],
        trunk: Trunk,
        sharing: Sharing,
        balancing: Balancing,
    ) -> None:
        super().__init__(name="multitask")
        names = tuple(t.name for t in targets)
        shared = sharing.build(lambda: trunk.build(features), names)
        self.heads = tuple(head_for(t) for t in targets)
        self.trunk = shared.trunk
        self.trunk_trains = True
        self.towers = _with_heads(shared.branches, self.heads)
        self.balancer = balancing.build(targets)
        if isinstance(self.balancer, GradientBalancer):
            self.balancer.prepare(sum(int(np.prod(p.shape[1:])) for p in self.towers.inputs))
        self.balancing_variables = self.balancer.variables
        self.totals = EpochTotals(self.heads, isinstance(self.balancer, GradientBalancer))
        self.built = True

    def call(self, features: Tensors, training: bool = False) -> dict[str, keras.KerasTensor]:
        """Raw outputs by task."""
        outputs: dict[str, keras.KerasTensor] = self.towers(
            self.represent(features, training), training=training
        )
        return outputs

    def represent(self, features: Tensors, training: bool = False) -> keras.KerasTensor:
        """The shared representation [batch, width]: what the trunk makes of the features, or the
        feature `representation` where that was computed before.
        """
        if REPRESENTATION in features:
            return features[REPRESENTATION]
        return self.trunk(features, training=training and self.trunk_trains)

    def answers(self, features: Tensors) -> dict[str, keras.KerasTensor]:
        """What is served, float32 [batch, units] by task: probabilities, or values in the label's
        own unit.
        """
        outputs = self(features, training=False)
        return {h.target.name: h.answer(outputs[h.target.name]) for h in self.heads}

    def train_step(self, data: tuple[Tensors, Tensors]) -> dict[str, tf.Tensor]:
        """See `models.train_step`."""
        return train_step(self, *data)

    def test_step(self, data: tuple[Tensors, Tensors]) -> dict[str, tf.Tensor]:
        """See `models.train_step`."""
        return test_step(self, *data)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The totals alone: they hold the figures of every task."""
        return [self.totals]

    def reset_metrics(self) -> None:
        """Keras does this where an epoch begins and where validation does."""
        super().reset_metrics()
        self.balancer.new_epoch()

    def _get_metrics_result_or_logs(self, logs: Mapping[str, float]) -> dict[str, float]:
        """Keras would compute all metrics in every step; here they are read once an epoch."""
        results: dict[str, float] = self.get_metrics_result()
        return results

    def load_weights_from(self, arrays: list[np.ndarray]) -> None:
        """Set `weights`, in order.

        Raises:
            ValueError: they are not the weights of such a model.
        """
        given, expected = [a.shape for a in arrays], [tuple(w.shape) for w in self.weights]
        if given != expected:
            raise ValueError(f"Expected weights of shapes {expected}. Received: {given}")
        self.set_weights(arrays)


def _with_heads(branches: keras.Model, heads: tuple[Head, ...]) -> keras.Model:
    """From the shared representation to raw outputs, which stay float32 in mixed precision."""
    outputs = {
        h.target.name: keras.layers.Dense(h.units, dtype="float32", name=f"{h.target.name}.head")(
            branches.output[h.target.name]
        )
        for h in heads
    }
    return keras.Model(branches.input, outputs, name="towers")
