"""GradDrop (Chen et al. 2020, NeurIPS, arXiv:2010.06808, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class GradDrop(GradientBalancing):
    """Where the tasks' gradients of a feature differ in sign, one sign is drawn, by how much of the
    gradient has it, and the other's gradients are dropped. Without conflicts: plain training.

    As in the paper, signs are those of the gradients times the sign of the feature, summed over the
    batch, at the representation; at parameters they are the gradients' own. A task's weight
    multiplies its gradient before. There are no weights to report.
    """

    __pydantic_config__ = STRICT
    name: Literal["graddrop"] = "graddrop"

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        return GradDropBalancer(targets)


class GradDropBalancer(GradientBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.random = keras.random.SeedGenerator()
        self.variables = [self.random.state]

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor | None]:
        ops = keras.ops
        wanted = ops.convert_to_tensor(self.task_weights, "float32")
        gradients = wanted[:, None, None] * tasks.gradients
        if tasks.representation is None:
            signed = ops.sum(gradients, axis=1)
        else:
            signed = ops.sum(ops.sign(tasks.representation) * gradients, axis=1)
        sizes = ops.sum(ops.abs(signed), axis=0)
        purity = ops.sum(signed, axis=0) / ops.where(sizes > 0, sizes, 1)
        drawn = keras.random.uniform(sizes.shape, seed=self.random)
        rises = (1 + purity) / 2 > drawn
        kept = ops.cast(ops.where(rises, signed > 0, signed < 0), "float32")
        return ops.sum(kept[:, None] * gradients, axis=0), None
