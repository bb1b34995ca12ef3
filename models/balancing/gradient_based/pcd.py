"""Priority-constrained descent (PCD, TMLR 2026, arXiv:2606.29521, as TorchJD 0.18 states it)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients, check_tasks
from models.balancing.math.newton import minimize_nonnegative
from models.balancing.math.state import task_variables
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

SLACK = 1e-5
"""Constraints that are violated by more than this, after solving, count as infeasible."""


@dataclass(frozen=True, kw_only=True)
class PCD(GradientBalancing):
    """The update nearest to the primary task's gradient that guarantees every other task a share of
    the progress that its own gradient would make: for one task that matters, with others that must
    not get worse. Not exact at the representation. State: a squared norm per task.

    Gradients are normalised by a moving average of their squared norms. The result has the norm of
    the primary task's gradient (as in the paper) times the sum of the tasks' weights. A task's
    weight, relative to that of the primary task, multiplies its share. If constraints are
    infeasible, they are dropped. Batches without labels of the primary task give plain training.

    primary: the task that matters; the first one when empty. share: the paper's tau. beta: the
    share of the previous value that the moving average keeps.
    """

    name: Literal["pcd"] = "pcd"
    primary: str = ""
    share: Annotated[float, Field(ge=0, le=1)] = 0.02
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999

    def check(self, tasks: Collection[str]) -> None:
        check_tasks("primary", (self.primary,) if self.primary else (), tasks)

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        names = [t.name for t in targets]
        self.check(names)
        return PCDBalancer(targets, self, names.index(self.primary) if self.primary else 0)


class PCDBalancer(GradientBalancer):
    """squares: [tasks], averaged squared norms. steps: [tasks], steps with the task present."""

    def __init__(self, targets: tuple[TaskTarget, ...], method: PCD, primary: int) -> None:
        super().__init__(targets)
        self.method = method
        self.is_primary = [float(i == primary) for i in range(self.num_tasks)]
        self.variables = task_variables(self.num_tasks, "squares", "steps")
        self.squares, self.steps = self.variables

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        scales = ops.cast(self._scales(tasks), "float64")
        present = ops.cast(tasks.present, "float64")
        gramian = ops.cast(tasks.gramian, "float64")
        task_weights = self.task_weights("float64")
        primary = ops.convert_to_tensor(self.is_primary, "float64")
        normalized = gramian * scales[:, None] * scales
        mixture = primary + self._corrections(normalized, primary, present, task_weights)
        square = ops.sum(mixture * ops.matmul(normalized, mixture))
        norm = ops.sqrt(ops.sum(primary * ops.diagonal(gramian)) / ops.maximum(square, 1e-30))
        constrained = ops.where(square > 1e-12, mixture * scales * norm, 0.0)
        constrained = ops.sum(present * task_weights) * constrained
        has_primary = ops.sum(primary * present) > 0
        weights = ops.where(has_primary, constrained, task_weights) * present
        weights = ops.cast(weights, "float32")
        return tasks.weighted_sum(weights), weights

    def _scales(self, tasks: TaskGradients) -> Tensor:
        """Factors [tasks] that give the gradients a squared norm of about 1."""
        ops, kept = keras.ops, self.method.beta
        self.steps.assign_add(tasks.present)
        new = ops.diagonal(tasks.gramian)
        self.squares.assign_add(tasks.present * (1 - kept) * (new - self.squares))
        averaged = self.squares / ops.maximum(1 - kept**self.steps, 1e-7)
        known = averaged > 0
        return tasks.present * ops.where(known, 1 / ops.sqrt(ops.where(known, averaged, 1.0)), 0.0)

    def _corrections(
        self, normalized: Tensor, primary: Tensor, present: Tensor, task_weights: Tensor
    ) -> Tensor:
        """Weights [tasks] of the other tasks' normalised gradients that satisfy the constraints; 0
        if they are infeasible.

        normalized: [tasks, tasks], Gramian of the normalised gradients.
        """
        ops = keras.ops
        squares = ops.diagonal(normalized)
        others = (1 - primary) * present * ops.cast(squares > 1e-12, "float64")
        shares = self.method.share * task_weights / ops.sum(primary * task_weights)
        required = ops.minimum(shares, 1.0) * squares
        norms = ops.sqrt(ops.where(others > 0, squares, 1.0))
        unit = others / norms
        matrix = normalized * unit[:, None] * unit + ops.diag(1 - others)
        with_primary = ops.matmul(normalized, primary)
        linear = unit * (with_primary - required) + (1 - others)
        corrections = unit * minimize_nonnegative(matrix, linear[None])[0]
        progress = with_primary + ops.matmul(normalized, corrections)
        violation = ops.max(others * (required - progress) / norms)
        return ops.where(violation < SLACK, corrections, 0.0)
