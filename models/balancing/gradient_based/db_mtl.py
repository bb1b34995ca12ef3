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
    a norm per task; at the parameters a gradient per task.

    The longest norm is that of a gradient of a plain loss, so equal tasks give plain training. As
    in the paper, the sum of the weights grows with the differences between the norms. At the
    parameters the gradients are averaged over steps, and training follows the averages, as in the
    paper. Difference from the paper at the representation, where every batch has other rows: only
    the squared norms are averaged, and training follows the gradients of the batch.

    beta: the share of the previous value that the moving average keeps is beta / step ** sigma.
    """

    name: Literal["db_mtl"] = "db_mtl"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9
    sigma: Annotated[float, Field(ge=0)] = 0.5

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        balancer = DBMTLAtParameters if self.at == "parameters" else DBMTLBalancer
        return balancer(targets, self)


class DBMTLBalancer(GradientBalancer):
    """At the representation. squares: [tasks], averaged squared norms of the gradients of the log
    losses. steps: [tasks], steps in which a task was present.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], method: DBMTL) -> None:
        super().__init__(targets)
        self.method = method
        self.variables = task_variables(self.num_tasks, "squares", "steps")
        self.squares, self.steps = self.variables

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        losses = tasks.losses + TINY
        new = keras.ops.diagonal(tasks.gramian) / losses**2
        self.squares.assign_add(self._averaging_rates(tasks.present) * (new - self.squares))
        weights = self._weights(tasks.present * losses)
        return tasks.weighted_sum(weights), weights

    def _averaging_rates(self, present: Tensor) -> Tensor:
        """Count the step. Its weight in the averages, [tasks]: 1 in a task's first step."""
        ops = keras.ops
        self.steps.assign_add(present)
        kept = self.method.beta / ops.maximum(self.steps, 1.0) ** self.method.sigma
        return present * ops.where(self.steps > 1, 1 - kept, 1.0)

    def _weights(self, losses: Tensor) -> Tensor:
        """Factors [tasks] that make the gradients of the plain losses as long as the longest one.

        losses: [tasks]; 0 for absent tasks.
        """
        ops = keras.ops
        norms = losses * ops.sqrt(self.squares)
        factors = ops.where(norms > 0, ops.max(norms) / ops.maximum(norms, 1e-30), 0.0)
        return factors * self.task_weights()


class DBMTLAtParameters(DBMTLBalancer):
    """At the parameters. averages: [parameters, tasks], averaged gradients of the log losses;
    `squares` has their squared norms.
    """

    def prepare(self, features: int) -> None:
        zeros = keras.ops.zeros((features, self.num_tasks))
        self.averages = keras.Variable(zeros, trainable=False, name="averages")
        self.variables.append(self.averages)

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        losses = tasks.losses + TINY
        new = ops.transpose(tasks.gradients[:, 0]) / losses
        self.averages.assign_add(self._averaging_rates(tasks.present) * (new - self.averages))
        averages = ops.convert_to_tensor(self.averages)
        self.squares.assign(ops.sum(averages**2, axis=0))
        weights = self._weights(tasks.present * losses)
        return ops.matmul(averages, weights * losses)[None], weights
