"""Geometric loss strategy (Chennupati et al. 2019, CVPR workshops, arXiv:1904.08492, eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import Balancing, LossBalancer
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

TINY = 1e-8


@dataclass(frozen=True, kw_only=True)
class GLS(Balancing):
    """The geometric mean of the losses, times the number of tasks.

    The gradient of a task is divided by its loss, so that losses of any scale count alike. Helps
    when losses differ by orders of magnitude. A loss near 0 shrinks the gradients of all other
    tasks. No state, no additional cost.

    The weights sum to the number of tasks when all losses are equal, and to more when they differ:
    their magnitude is part of the method. The tasks' own weights are the weights of the mean.
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
