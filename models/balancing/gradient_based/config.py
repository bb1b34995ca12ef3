"""ConFIG (Liu, Chu and Thuerey 2024, ICLR 2025, arXiv:2408.11104, equation 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import STATIONARY, cosines
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class ConFIG(GramianBalancing):
    """The direction with the same angle to every task's gradient. Its length is the sum of the
    gradients' projections on it, and part of the method.

    To first order no task's loss rises if the gradients are linearly independent. The cosines are
    proportional to the tasks' weights. Not exact at the representation.
    """

    name: Literal["config"] = "config"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return ConFIGBalancer(targets)


class ConFIGBalancer(GramianBalancer):
    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        angles = cosines(gramian, present)
        goal = self.task_weights("float64") * angles.active
        direction = ops.solve(angles.regularized(), goal)
        projections = ops.matmul(angles.matrix, direction)
        square = ops.maximum(ops.sum(direction * projections), STATIONARY)
        return direction / angles.norms * ops.sum(goal * angles.norms * projections) / square
