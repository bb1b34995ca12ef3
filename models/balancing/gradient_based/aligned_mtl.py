"""Aligned-MTL (Senushkin et al. 2023, CVPR, arXiv:2305.19000, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.state import step_counts
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

ROUNDING = 1.2e-7
"""Rounding error of float32, relative to the largest eigenvalue: smaller eigenvalues count as 0."""


@dataclass(frozen=True, kw_only=True)
class AlignedMTL(GramianBalancing):
    """Replaces the gradients by the nearest orthogonal vectors of equal norm (the smallest singular
    value of the gradient matrix) and sums these, weighted by the tasks' own weights.

    The magnitude is part of the method. At the representation it is the paper's Aligned-MTL-UB.

    As in the authors' code, an eigenvalue below the rounding error of float32 counts as 0. So where
    gradients of two tasks become parallel, the update first shrinks towards a thousandth of its
    size, and then jumps back by up to three orders of magnitude. A warning says in how many steps
    such an eigenvalue was there, or close.
    """

    name: Literal["aligned_mtl"] = "aligned_mtl"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return AlignedMTLBalancer(targets)


class AlignedMTLBalancer(GramianBalancer):
    """counts: steps in all; steps with an eigenvalue that counted as 0, and with one close to it,
    after which the update was less than a tenth of the largest gradient.
    """

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.counts = step_counts(3)
        self.variables = [self.counts]

    def notes(self) -> list[str]:
        steps, cut, close = (int(count) for count in keras.ops.convert_to_numpy(self.counts))
        if not cut + close:
            return []
        return [
            f"aligned_mtl: gradients of some tasks were parallel within rounding in {cut:,} of"
            f" {steps:,} steps, and nearly so in {close:,}, whose updates are at least ten times"
            " smaller: the size of the update jumps between the two."
        ]

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        task_weights = present * self.task_weights("float64")
        values, vectors = ops.eigh(gramian)
        largest = ops.max(values)
        active = ops.sum(ops.cast(ops.diagonal(gramian) > 0, "int32"))
        nonzero = values > largest * self.num_tasks * ROUNDING
        smallest = ops.min(ops.where(nonzero, values, largest))
        cut = ops.sum(ops.cast(nonzero, "int32")) < active
        close = smallest < largest / 100
        flags = [ops.cast(flag, "int32") for flag in (True, cut, close)]
        self.counts.assign_add(ops.stack(flags))
        ratios = ops.where(nonzero, ops.sqrt(smallest / ops.where(nonzero, values, 1)), 0)
        return ops.matmul(vectors * ratios, ops.matmul(task_weights, vectors))
