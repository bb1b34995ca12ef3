"""GradVac (Wang et al. 2021, ICLR, arXiv:2010.05874, algorithm 1 and equation 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import cosines
from models.balancing.math.random_order import random_orders
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class GradVac(GramianBalancing):
    """Rotates each gradient towards every other one, in random order, until their cosine reaches
    its moving average; then sums the gradients.

    Pairs whose cosine is not below the average do not change; if no pair does, this is plain
    training. Difference from the paper: cosines are those of the whole shared representation, not
    of each layer's parameters, so the method is not exact there.

    decay: the weight of a step's cosine in the moving average.
    """

    name: Literal["gradvac"] = "gradvac"
    decay: Annotated[float, Field(gt=0, le=1)] = 0.01

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return GradVacBalancer(targets, self.decay)


class GradVacBalancer(GramianBalancer):
    """averages: [tasks, tasks], moving averages of the cosines."""

    def __init__(self, targets: tuple[TaskTarget, ...], decay: float) -> None:
        super().__init__(targets)
        self.decay = decay
        zeros = keras.ops.zeros((self.num_tasks, self.num_tasks))
        self.averages = keras.Variable(zeros, trainable=False, name="cosines")
        self.random = keras.random.SeedGenerator()
        self.variables = [self.averages, self.random.state]

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        angles = cosines(gramian, present)
        average = ops.cast(self.averages, "float64")
        sine = ops.sqrt(ops.maximum(1 - average**2, 1e-12))
        pairs = angles.active[:, None] * angles.active
        coefficients = ops.diag(angles.norms)  # row i: gradient i as a sum of unit gradients
        seen = average
        for other in random_orders(self.num_tasks, self.random):
            inner = ops.matmul(coefficients, angles.matrix)
            norms = ops.sqrt(ops.sum(inner * coefficients, -1, keepdims=True))
            cosine = ops.clip(inner / ops.maximum(norms, 1e-12), -1, 1)
            turn = average * ops.sqrt(1 - cosine**2) / sine - cosine
            other *= pairs
            coefficients += other * ops.where(cosine < average, norms * turn, 0)
            seen += other * (cosine - average)
        self.averages.assign(ops.cast(average + self.decay * (seen - average), "float32"))
        task_weights = angles.active * self.task_weights("float64")
        return ops.matmul(task_weights, coefficients / angles.norms)
