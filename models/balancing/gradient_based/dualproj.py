"""The projected sum of gradients (GEM, Lopez-Paz and Ranzato 2017, arXiv:1706.08840, eq. 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import SMALLEST_NORM, cosines
from models.balancing.math.newton import minimize_nonnegative
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class DualProj(GramianBalancing):
    """The update nearest to the summed gradient that conflicts with no task's gradient.

    To first order no task's loss rises; without conflicts this is plain training. TorchJD calls it
    DualProj. Not exact at the representation: the parameters' gradients may still conflict.
    """

    name: Literal["dualproj"] = "dualproj"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return DualProjBalancer(targets)


class DualProjBalancer(GramianBalancer):
    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        angles = cosines(gramian, present)
        norms = angles.active * self.task_weights("float64") * angles.norms
        unit = ops.maximum(ops.max(norms), SMALLEST_NORM)
        linear = ops.matmul(norms / unit, angles.matrix)
        added = minimize_nonnegative(angles.matrix, linear[None])[0]
        return angles.active * (norms + unit * added) / angles.norms
