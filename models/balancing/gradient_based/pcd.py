"""Priority-constrained descent (PCD, TMLR 2026, arXiv:2606.29521, as TorchJD 0.18 states it)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import (
    GradientBalancer,
    GradientBalancing,
    TaskGradients,
    check_tasks,
)
from models.balancing.math.newton import nonnegative
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget

SLACK = 1e-5
"""By how much a constraint may be missed before they count as impossible together."""


@dataclass(frozen=True, kw_only=True)
class PCD(GradientBalancing):
    """The update nearest to the primary task's gradient that gives every other task a share of the
    progress which its own gradient would give it.

    Gradients are normalised by a moving average of their squared lengths. What comes out has the
    length of the primary task's gradient times the sum of the tasks' weights; in the paper that
    length alone. Constraints that cannot all hold are dropped. A task's weight, relative to the
    primary one's, multiplies its share. Where a batch has no label of the primary task, its tasks
    train as plainly summed. It helps where one task matters and the others must not be forgotten.
    Not exact at the representation. State: a squared length per task.

    primary: the task that matters; the first when empty. share: the paper's tau. beta: how much of
    the past the moving average keeps.
    """

    __pydantic_config__ = STRICT
    name: Literal["pcd"] = "pcd"
    primary: str = ""
    share: Annotated[float, Field(ge=0, le=1)] = 0.02
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999

    def check(self, tasks: Collection[str]) -> None:
        check_tasks("primary", (self.primary,) if self.primary else (), tasks)

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        names = [t.name for t in targets]
        self.check(names)
        first = names.index(self.primary) if self.primary else 0
        return PCDBalancer(targets, self, first)


class PCDBalancer(GradientBalancer):
    """See `PCD`. squares: [tasks], averaged squared lengths. steps: [tasks], those in which a task
    was present.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], method: PCD, first: int) -> None:
        super().__init__(targets)
        self.method = method
        self.is_primary = [float(i == first) for i in range(len(targets))]
        self.squares, self.steps = self.variables = [
            keras.Variable(keras.ops.zeros((len(targets),)), trainable=False, name=name)
            for name in ("squares", "steps")
        ]

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        ops = keras.ops
        scales = ops.cast(self._scales(tasks), "float64")
        present = ops.cast(tasks.present, "float64")
        gramian = ops.cast(tasks.gramian, "float64")
        wanted = ops.convert_to_tensor(self.task_weights, "float64")
        primary = ops.convert_to_tensor(self.is_primary, "float64")
        normal = gramian * scales[:, None] * scales
        mixture = primary + self._added(normal, primary, present, wanted)
        square = ops.sum(mixture * ops.matmul(normal, mixture))
        length = ops.sqrt(ops.sum(primary * ops.diagonal(gramian)) / ops.maximum(square, 1e-30))
        directed = ops.where(square > 1e-12, mixture * scales * length, 0.0)
        there = ops.sum(primary * present) > 0
        weights = ops.where(there, ops.sum(present * wanted) * directed, wanted) * present
        weights = ops.cast(weights, "float32")
        return ops.tensordot(weights, tasks.gradients, 1), weights

    def _scales(self, tasks: TaskGradients) -> keras.KerasTensor:
        """By which gradients are multiplied to have a squared length of about 1."""
        ops, kept = keras.ops, self.method.beta
        self.steps.assign_add(tasks.present)
        new = ops.diagonal(tasks.gramian)
        self.squares.assign_add(tasks.present * (1 - kept) * (new - self.squares))
        averaged = self.squares / ops.maximum(1 - kept**self.steps, 1e-7)
        there = averaged > 0
        return tasks.present * ops.where(there, 1 / ops.sqrt(ops.where(there, averaged, 1.0)), 0.0)

    def _added(
        self,
        normal: keras.KerasTensor,
        primary: keras.KerasTensor,
        present: keras.KerasTensor,
        wanted: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """How much of the other tasks' normalised gradients the constraints call for: [tasks]."""
        ops = keras.ops
        squares = ops.diagonal(normal)
        others = (1 - primary) * present * ops.cast(squares > 1e-12, "float64")
        needed = ops.minimum(self.method.share * wanted / ops.sum(primary * wanted), 1.0) * squares
        lengths = ops.sqrt(ops.where(others > 0, squares, 1.0))
        unit = others / lengths
        matrix = normal * unit[:, None] * unit + ops.diag(1 - others)
        along = ops.matmul(normal, primary)
        linear = unit * (along - needed) + (1 - others)
        added = unit * nonnegative(matrix, linear[None])[0]
        reached = along + ops.matmul(normal, added)
        missed = ops.max(others * (needed - reached) / lengths)
        return ops.where(missed < SLACK, added, 0.0)
