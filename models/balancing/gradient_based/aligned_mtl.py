"""Aligned-MTL (Senushkin et al. 2023, CVPR, arXiv:2305.19000, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

ROUNDING = 1.2e-7
"""Rounding error of float32, relative to the largest eigenvalue: smaller eigenvalues count as 0."""


@dataclass(frozen=True, kw_only=True)
class AlignedMTL(GramianBalancing):
    """Replaces the gradients by the nearest orthogonal vectors of equal norm (the smallest singular
    value of the gradient matrix) and sums these, weighted by the tasks' own weights.

    The magnitude is part of the method. At the representation it is the paper's Aligned-MTL-UB.
    """

    name: Literal["aligned_mtl"] = "aligned_mtl"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return AlignedMTLBalancer(targets)


class AlignedMTLBalancer(GramianBalancer):
    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        task_weights = present * self.task_weights("float64")
        values, vectors = ops.eigh(gramian)
        largest = ops.max(values)
        nonzero = values > largest * self.num_tasks * ROUNDING
        smallest = ops.min(ops.where(nonzero, values, largest))
        ratios = ops.where(nonzero, ops.sqrt(smallest / ops.where(nonzero, values, 1)), 0)
        return ops.matmul(vectors * ratios, ops.matmul(task_weights, vectors))
