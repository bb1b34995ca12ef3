"""Geometric loss strategy (Chennupati et al. 2019, CVPR workshops, arXiv:1904.08492, eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import Balancing, LossBalancer
from models.balancing.math.state import TINY
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class GLS(Balancing):
    """The geometric mean of the losses, weighted by the tasks' own weights, times their number.

    The gradient of a task is divided by its loss. Helps when losses differ by orders of magnitude;
    a loss near 0 shrinks the gradients of all other tasks. No state, no additional cost. The
    magnitude is part of the method: the weights sum to more than the number of tasks when losses
    differ.
    """

    name: Literal["gls"] = "gls"

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return GLSBalancer(targets)


class GLSBalancer(LossBalancer):
    def __call__(self, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        weights = present * self.task_weights()
        total = ops.sum(weights)
        log_mean = ops.sum(weights * ops.log(losses + TINY)) / ops.maximum(total, TINY)
        return total * ops.exp(log_mean)
