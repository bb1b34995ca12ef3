"""IMTL-G (Liu et al. 2021, ICLR, "Towards Impartial Multi-task Learning", equations 4 to 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import cosines
from models.balancing.math.state import step_counts
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

ROUNDING = 1e-7
"""Rounding error of inner products in float32; parallel gradients share their weight."""
LARGEST = 10.0
"""Largest sum of the absolute weights, as a multiple of the sum of the tasks' own weights."""


@dataclass(frozen=True, kw_only=True)
class IMTLG(GramianBalancing):
    """The combination whose projections on all tasks' gradients are equally long, or proportional
    to the tasks' weights.

    Closed form, at the representation as in the paper. Weights may be negative. A task without a
    gradient is left out. Difference from the paper: it divides the solution by its sum. Where
    gradients conflict strongly and differ in length, that sum is negative, and the paper's update
    would increase all losses; near 0 it grows without bound. Here the update always decreases all
    losses (weights then sum to less than usual), and the absolute weights sum to at most 10 times
    the usual. A warning says in how many steps that was so.
    """

    name: Literal["imtl_g"] = "imtl_g"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return IMTLGBalancer(targets)


class EqualProjections(GramianBalancer):
    """counts: steps in all, and those in which the paper's weights were not used."""

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.counts = step_counts(2)
        self.variables = [self.counts]

    def notes(self) -> list[str]:
        steps, changed = (int(count) for count in keras.ops.convert_to_numpy(self.counts))
        if not changed:
            return []
        return [
            f"imtl_g: in {changed:,} of {steps:,} steps the paper's weights would have increased"
            " all losses or been too large, because gradients conflict and differ in length; they"
            " were turned round or limited. `mgda` and `upgrad` do not have this problem."
        ]

    def equal_projections(self, gramian: Tensor, present: Tensor) -> Tensor:
        """Weights float64 [tasks]: the projections of the weighted sum on the gradients are
        positive and proportional to the tasks' own weights.
        """
        weights, changed = equal_projections(gramian, present, self.task_weights("float64"))
        self.counts.assign_add(keras.ops.stack([keras.ops.ones_like(changed), changed]))
        return weights


class IMTLGBalancer(EqualProjections):
    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        return self.equal_projections(gramian, present)


def equal_projections(
    gramian: Tensor, present: Tensor, task_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Weights float64 [tasks], and an int32 1 if they are not the paper's, whose sum is that of
    the present tasks' `task_weights`.
    """
    ops = keras.ops
    angles = cosines(gramian, present)
    matrix = angles.matrix + ROUNDING * ops.eye(present.shape[0], dtype="float64")
    weights = angles.active * ops.solve(matrix, angles.active * task_weights) / angles.norms
    total, least = ops.sum(weights), ops.sum(ops.abs(weights)) / LARGEST
    divisor = ops.maximum(ops.abs(total), least)
    weights = weights * ops.sum(present * task_weights) / ops.where(divisor > 0, divisor, 1)
    return weights, ops.cast(total < least, "int32")
