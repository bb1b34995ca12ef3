"""Mixtures of the outputs of several trunks. Importing this module imports Keras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.lazy import Tensor, keras
from models.sharing.layers.base import SharingLayer, softmax


class Stitch(SharingLayer):
    """For each task, a linear mixture of all tasks' tensors, which have the same shape.

    stage: the stage before it. own: initial weight of a task's own tensor.
    """

    def __init__(self, stage: str, tasks: Sequence[str], own: float) -> None:
        super().__init__(name=f"stitch_{stage.replace('.', '_')}")
        self.stage, self.tasks, self.own = stage, tuple(tasks), own

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """One mixing matrix for all channels."""
        count = len(self.tasks)
        others = (1 - self.own) / max(count - 1, 1)
        start = np.full((count, count), others) + np.eye(count) * (self.own - others)
        self.mixture = self.add_weight(
            (count, count), lambda shape, dtype=None: keras.ops.cast(start, dtype), name="mixture"
        )

    @property
    def undecayed(self) -> list[keras.Variable]:
        return list(self.trainable_variables)

    def mix(self, training: bool) -> Tensor:
        """The mixing matrix [tasks, tasks]: row i has task i's weights of all tasks' tensors."""
        return keras.ops.convert_to_tensor(self.mixture)

    def call(self, xs: list[Tensor], training: bool = False) -> list[Tensor]:
        mixture = keras.ops.cast(self.mix(training), xs[0].dtype)
        mixed = keras.ops.tensordot(mixture, keras.ops.stack(xs), 1)
        return list(keras.ops.unstack(mixed, len(xs)))

    def reported(self) -> np.ndarray:
        """The matrix [tasks, tasks] to report."""
        return np.asarray(self.mix(False))

    def figures(self) -> dict[str, float]:
        return {
            f"gate/{self.stage}_{task}/{source}": float(value)
            for task, row in zip(self.tasks, self.reported(), strict=True)
            for source, value in zip(self.tasks, row, strict=True)
        }


class Branching(Stitch):
    """For each task, a choice of one trunk, whose output it continues with.

    In training the choice is sampled (straight-through Gumbel-softmax, Guo et al. 2020, section
    3.2). The softmax of its gradient gets colder with the square root of the steps; the largest of
    its terms, which is chosen, is the same at any temperature. Otherwise the choice is the most
    likely one.
    """

    def __init__(self, stage: str, tasks: Sequence[str], temperature: float) -> None:
        super().__init__(stage, tasks, own=1.0)
        self.temperature = temperature
        self.random = keras.random.SeedGenerator()

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """All trunks are almost equally likely; a small bonus for the own trunk breaks ties."""
        shape = (len(self.tasks), len(self.tasks))
        self.logits = self.add_weight(shape, keras.initializers.Identity(0.01), name="logits")
        self.steps = self.add_weight((), "zeros", trainable=False, name="steps")

    def mix(self, training: bool) -> Tensor:
        """Mixing matrix with one-hot rows."""
        ops = keras.ops
        logits = ops.convert_to_tensor(self.logits)
        if training:
            self.steps.assign_add(1.0)
            uniform = keras.random.uniform(logits.shape, 1e-6, 1 - 1e-6, seed=self.random)
            temperature = self.temperature / ops.sqrt(1 + self.steps / STEPS)
            logits = (logits - ops.log(-ops.log(uniform))) / ops.maximum(temperature, 0.1)
        chosen = ops.one_hot(ops.argmax(logits, axis=-1), len(self.tasks), dtype="float32")
        soft = softmax(ops.cast(logits, "float32"))
        return chosen + soft - ops.stop_gradient(soft)

    def reported(self) -> np.ndarray:
        """The probabilities of the choices [tasks, tasks]."""
        return np.asarray(softmax(self.logits.value))


STEPS = 100.0
"""After so many steps the temperature of `Branching` has fallen by a factor of sqrt(2)."""
