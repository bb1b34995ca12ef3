"""GradVac (Wang et al. 2021, ICLR, arXiv:2010.05874, algorithm 1 and equation 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import cosines
from models.balancing.math.random_order import random_orders
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class GradVac(GramianBalancing):
    """Each gradient is turned towards every other until their cosine is what it was on average, in
    random order; then they are summed. Where cosines stay as they are this is plain training.

    decay: the weight of a step's cosine in the moving average. Cosines are taken at the shared
    representation as a whole (the paper: for each layer's parameters), so it is not exact there.
    """

    __pydantic_config__ = STRICT
    name: Literal["gradvac"] = "gradvac"
    decay: Annotated[float, Field(gt=0, le=1)] = 0.01

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return GradVacBalancer(targets, self.decay)


class GradVacBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], decay: float) -> None:
        super().__init__(targets)
        self.decay = decay
        self.averages = keras.Variable(
            keras.ops.zeros((len(targets), len(targets))), trainable=False, name="cosines"
        )
        self.random = keras.random.SeedGenerator()
        self.variables = [self.averages, self.random.state]

    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        angles = cosines(gramian, present)
        average = ops.cast(self.averages, "float64")
        floor = ops.sqrt(ops.maximum(1 - average**2, 1e-12))
        pairs = angles.active[:, None] * angles.active
        products = ops.diag(angles.norms)
        seen = average
        for other in random_orders(len(self.task_weights), self.random):
            inner = ops.matmul(products, angles.matrix)
            norms = ops.sqrt(ops.sum(inner * products, -1, keepdims=True))
            cosine = ops.clip(inner / ops.maximum(norms, 1e-12), -1, 1)
            turn = average * ops.sqrt(1 - cosine**2) / floor - cosine
            other *= pairs
            products += other * ops.where(cosine < average, norms * turn, 0)
            seen += other * (cosine - average)
        self.averages.assign(ops.cast(average + self.decay * (seen - average), "float32"))
        return ops.matmul(angles.active * wanted, products / angles.norms)
