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
    """Keras's optimizer, with the weight decay of the paper: it moves z, not x.

    Difference from the paper: all steps weigh the same in the average, those of a warm-up too.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        before = keras.ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        if self.weight_decay is None or not self._use_weight_decay(variable):
            return
        rate = keras.ops.cast(learning_rate * self.weight_decay, variable.dtype)
        iterate = self._momentums[self._get_variable_index(variable)]
        share = 1.0 / keras.ops.cast(self.iterations + 1, variable.dtype)
        average = (variable - (1 - self.beta_1) * iterate) / self.beta_1 - share * rate * before
        iterate.assign_sub(rate * before)
        variable.assign((1 - self.beta_1) * iterate + self.beta_1 * average)

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
