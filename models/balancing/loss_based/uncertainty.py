"""Uncertainty weighting (Kendall, Gal and Cipolla 2018, CVPR, arXiv:1705.07115, eq. 7 to 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import Balancing, LossBalancer
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class Uncertainty(Balancing):
    """Weights each task by the inverse of a learned variance.

    With a trainable log variance s = log σ², a classification loss L contributes exp(-s) L + s / 2
    and a squared error exp(-s) L / 2 + s / 2, as in the paper. A Huber loss already is half a
    squared error. A task's own weight multiplies its whole term, so the variance cannot cancel it.

    initial_log_variance: of every task, before training.
    """

    name: Literal["uncertainty"] = "uncertainty"
    initial_log_variance: float = 0.0

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return UncertaintyBalancer(targets, self.initial_log_variance)


class UncertaintyBalancer(LossBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], initial: float) -> None:
        super().__init__(targets)
        self.scales = [0.5 if t.task.has_squared_error else 1.0 for t in targets]
        start = keras.ops.full((self.num_tasks,), initial)
        self.log_variances = keras.Variable(start, name="log_variances")
        self.variables = [self.log_variances]

    def __call__(self, losses: Tensor, present: Tensor) -> Tensor:
        weights = present * self.task_weights()
        scales = keras.ops.convert_to_tensor(self.scales, "float32")
        s = keras.ops.convert_to_tensor(self.log_variances)
        return keras.ops.sum(weights * (scales * keras.ops.exp(-s) * losses + s / 2))
