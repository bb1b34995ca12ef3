"""UPGrad (Quinton and Rey 2024, arXiv:2406.16232, equation 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import cosines
from models.balancing.math.newton import minimize_nonnegative
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class UPGrad(GramianBalancing):
    """Projects each task's gradient onto the cone of updates that conflict with no task, and sums
    the projections.

    To first order no task's loss rises; without conflicts this is plain training. Not exact at the
    representation: the parameters' gradients may still conflict.
    """

    name: Literal["upgrad"] = "upgrad"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return UPGradBalancer(targets)


class UPGradBalancer(GramianBalancer):
    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        angles = cosines(gramian, present)
        added = minimize_nonnegative(angles.matrix, angles.matrix * angles.active[:, None])
        norms = angles.active * self.task_weights("float64") * angles.norms
        return (norms + ops.matmul(norms, added)) / angles.norms
