"""IMTL-G (Liu et al. 2021, ICLR, "Towards Impartial Multi-task Learning", equations 4 to 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import cosines
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

ROUNDING = 1e-7
"""Rounding error of inner products in float32; parallel gradients share their weight."""


@dataclass(frozen=True, kw_only=True)
class IMTLG(GramianBalancing):
    """The combination whose projections on all tasks' gradients are equally long, or proportional
    to the tasks' weights.

    Closed form, at the representation as in the paper. Weights may be negative, and grow without
    bound as the sum of the solution approaches 0. A task without a gradient is left out.
    """

    name: Literal["imtl_g"] = "imtl_g"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return IMTLGBalancer(targets)


class IMTLGBalancer(GramianBalancer):
    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        return equal_projections(gramian, present, self.task_weights("float64"))


def equal_projections(gramian: Tensor, present: Tensor, task_weights: Tensor) -> Tensor:
    """Weights float64 [tasks]: the projections of the weighted sum on the gradients are
    proportional to `task_weights`. The weights sum to the present tasks' `task_weights`.
    """
    ops = keras.ops
    angles = cosines(gramian, present)
    matrix = angles.matrix + ROUNDING * ops.eye(present.shape[0], dtype="float64")
    weights = angles.active * ops.solve(matrix, angles.active * task_weights) / angles.norms
    total = ops.sum(weights)
    safe_total = ops.where(ops.abs(total) > ROUNDING, total, 1)
    return weights * ops.sum(present * task_weights) / safe_total
