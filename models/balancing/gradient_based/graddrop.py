"""GradDrop (Chen et al. 2020, NeurIPS, arXiv:2010.06808, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class GradDrop(GradientBalancing):
    """For each feature whose gradients differ in sign, draws one sign and drops the gradients of
    the other sign. There are no task weights to report.

    The probability of a sign is its share of the gradient, so without conflicts this is plain
    training. As in the paper, a gradient at the representation has the sign of gradient times
    feature, summed over the batch. A task's weight multiplies its gradient before the draw.
    """

    name: Literal["graddrop"] = "graddrop"

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        return GradDropBalancer(targets)


class GradDropBalancer(GradientBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.random = keras.random.SeedGenerator()
        self.variables = [self.random.state]

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor | None]:
        ops = keras.ops
        gradients = self.task_weights()[:, None, None] * tasks.gradients
        if tasks.representation is None:
            signed = tasks.sum_over_rows(gradients)
        else:
            signed = tasks.sum_over_rows(ops.sign(tasks.representation) * gradients)
        magnitude = ops.sum(ops.abs(signed), axis=0)
        purity = ops.sum(signed, axis=0) / ops.where(magnitude > 0, magnitude, 1)
        uniform = keras.random.uniform(magnitude.shape, seed=self.random)
        keep_positive = (1 + purity) / 2 > uniform
        kept = ops.cast(ops.where(keep_positive, signed > 0, signed < 0), "float32")
        return ops.sum(kept[:, None] * gradients, axis=0), None
