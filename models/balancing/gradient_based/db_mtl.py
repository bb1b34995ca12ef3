"""DB-MTL: dual-balancing (Lin et al. 2023, arXiv:2308.12029, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.balancing.math.state import TINY, task_variables
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class DBMTL(GradientBalancing):
    """Scales the gradients of the log losses to the norm of the longest, and sums them.

    Helps when losses or gradients differ in scale. Heads and towers follow the plain losses. State:
    a norm per task.

    The longest norm is that of a gradient of a plain loss, so equal tasks give plain training. As
    in the paper, the sum of the weights grows with the differences between the norms. Difference
    from the paper: it averages the gradients of the shared parameters over steps; here only the
    squared norms are averaged, because batches have different rows. Exact for `beta: 0`.

    beta: the share of the previous value that the moving average keeps is beta / step ** sigma.
    """

    name: Literal["db_mtl"] = "db_mtl"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9
    sigma: Annotated[float, Field(ge=0)] = 0.5

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        return DBMTLBalancer(targets, self.beta, self.sigma)


class DBMTLBalancer(GradientBalancer):
    """squares: [tasks], averaged squared norms of the gradients of the log losses. steps: [tasks],
    steps in which a task was present.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], beta: float, sigma: float) -> None:
        super().__init__(targets)
        self.beta, self.sigma = beta, sigma
        self.variables = task_variables(self.num_tasks, "squares", "steps")
        self.squares, self.steps = self.variables

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        losses, present = tasks.losses + TINY, tasks.present
        new = ops.diagonal(tasks.gramian) / losses**2
        self.steps.assign_add(present)
        kept = self.beta / ops.maximum(self.steps, 1.0) ** self.sigma
        kept = ops.where(self.steps > 1, kept, 0.0)
        self.squares.assign_add(present * (1 - kept) * (new - self.squares))
        norms = present * losses * ops.sqrt(self.squares)
        factors = ops.where(norms > 0, ops.max(norms) / ops.maximum(norms, 1e-30), 0.0)
        weights = factors * self.task_weights()
        return tasks.weighted_sum(weights), weights
