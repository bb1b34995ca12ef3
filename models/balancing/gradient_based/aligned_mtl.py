"""Aligned-MTL (Senushkin et al. 2023, CVPR, arXiv:2305.19000, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget

ROUNDING = 1.2e-7
"""Of float32, beside the largest eigenvalue: what is smaller is none."""


@dataclass(frozen=True, kw_only=True)
class AlignedMTL(GramianBalancing):
    """Replaces the gradients by the nearest orthogonal ones of one length, that of their smallest
    singular value, and sums these, each times its task's weight.

    The sum is as short as the smallest singular value: its magnitude is part of the method. At the
    representation it is the paper's Aligned-MTL-UB.
    """

    __pydantic_config__ = STRICT
    name: Literal["aligned_mtl"] = "aligned_mtl"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return AlignedMTLBalancer(targets)


class AlignedMTLBalancer(GramianBalancer):
    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        values, vectors = ops.eigh(gramian)
        largest = ops.max(values)
        real = values > largest * len(self.task_weights) * ROUNDING
        smallest = ops.min(ops.where(real, values, largest))
        ratios = ops.where(real, ops.sqrt(smallest / ops.where(real, values, 1)), 0)
        return ops.matmul(vectors * ratios, ops.matmul(present * wanted, vectors))
