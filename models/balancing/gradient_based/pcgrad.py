"""PCGrad (Yu et al. 2020, NeurIPS, arXiv:2001.06782, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.random_order import random_orders
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class PCGrad(GramianBalancing):
    """Removes from each gradient its component along every gradient that it conflicts with, in
    random order; then sums the gradients. Without conflicts this is plain training.

    Not exact at the representation: conflicts there may be none of the parameters' gradients.
    """

    name: Literal["pcgrad"] = "pcgrad"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return PCGradBalancer(targets)


class PCGradBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.random = keras.random.SeedGenerator()
        self.variables = [self.random.state]

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        coefficients = ops.eye(self.num_tasks, dtype="float64")  # row i: projected gradient i
        squares = ops.diagonal(gramian)
        inverses = ops.where(squares > 0, 1 / ops.where(squares > 0, squares, 1), 0)
        for other in random_orders(self.num_tasks, self.random):
            conflict = ops.minimum(ops.matmul(coefficients, gramian), 0) * other
            coefficients -= conflict * inverses
        return ops.matmul(present * self.task_weights("float64"), coefficients)
