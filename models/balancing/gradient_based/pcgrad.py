"""PCGrad (Yu et al. 2020, NeurIPS, arXiv:2001.06782, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.random_order import random_orders
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class PCGrad(GramianBalancing):
    """Each task's gradient loses its component against every task that it conflicts with, in random
    order; then they are summed. Without conflicts this is plain training.

    Computed from inner products, for all tasks at once. Not exact at the representation: conflicts
    there need not be conflicts of the parameters' gradients.
    """

    __pydantic_config__ = STRICT
    name: Literal["pcgrad"] = "pcgrad"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return PCGradBalancer(targets)


class PCGradBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.random = keras.random.SeedGenerator()
        self.variables = [self.random.state]

    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        products = ops.eye(len(self.task_weights), dtype="float64")
        squares = ops.diagonal(gramian)
        inverses = ops.where(squares > 0, 1 / ops.where(squares > 0, squares, 1), 0)
        for other in random_orders(len(self.task_weights), self.random):
            conflict = ops.minimum(ops.matmul(products, gramian), 0) * other
            products -= conflict * inverses
        return ops.matmul(present * wanted, products)
