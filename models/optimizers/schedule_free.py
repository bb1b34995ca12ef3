"""AdamW without a schedule (Defazio et al. 2024, arXiv:2405.15682, algorithm 1).

The gradient is taken at y, between the iterates z and their average x. The model that predicts is
x: validate and keep that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.lazy import keras
from models.optimizers.weight_average import WeightAverage


class ScheduleFree(keras.optimizers.ScheduleFreeAdamW):  # type: ignore[misc]
    """Keras's optimizer with an update of its own.

    In Keras 3.15 with TensorFlow, the old average is computed from z after it has moved, and weight
    decay moves x, not z.

    Difference from the paper: all steps weigh the same in the average, those of a warm-up too.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        ops, index = keras.ops, self._get_variable_index(variable)
        iterate, velocity = self._momentums[index], self._velocities[index]
        rate, gradient = (ops.cast(x, variable.dtype) for x in (learning_rate, gradient))
        step = ops.cast(self.iterations + 1, variable.dtype)
        y, z = ops.copy(variable), ops.copy(iterate)
        velocity.assign(self.beta_2 * velocity + (1 - self.beta_2) * ops.square(gradient))
        corrected = velocity / (1 - ops.power(ops.cast(self.beta_2, variable.dtype), step))
        direction = gradient / (ops.sqrt(corrected) + self.epsilon)
        if self.weight_decay is not None and self._use_weight_decay(variable):
            direction += self.weight_decay * y
        moved = z - rate * direction
        average = (y - (1 - self.beta_1) * z) / self.beta_1
        average += (moved - average) / step
        iterate.assign(moved)
        variable.assign((1 - self.beta_1) * moved + self.beta_1 * average)

    def _apply_weight_decay(self, variables: Any) -> None:
        """`update_step` does it."""


class ScheduleFreeAverage(WeightAverage):
    """The average x that `ScheduleFree` keeps, from y and z.

    optimizer: built; its variables hold the whole state.
    """

    def __init__(self, optimizer: ScheduleFree) -> None:
        super().__init__(optimizer._trainable_variables)
        self.optimizer = optimizer

    def values(self) -> list[np.ndarray]:
        beta, iterates = self.optimizer.beta_1, self.optimizer._momentums
        pairs = zip(self.weights, iterates, strict=True)
        return [(np.asarray(y) - (1 - beta) * np.asarray(z)) / beta for y, z in pairs]
