"""MoCo (Fernando et al. 2023, ICLR, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.balancing.math.simplex import min_norm_step
from models.balancing.math.state import task_variables
from models.balancing.math.weighted_sum import scaled_to_sum
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class MoCo(GradientBalancing):
    """MGDA on gradients that are averaged over steps, which removes the bias that the noise of
    batches gives to MGDA. The weights take one projected step per batch towards the min-norm point.

    At the parameters the averages are the paper's y, and training follows them. At the
    representation, where every batch has other rows, inner products are averaged and training
    follows the gradients of the batch. Difference from the paper: inner products are divided by
    their mean magnitude, so `learning_rate` does not depend on scale. State: a gradient per task,
    or inner products. A task's own weight multiplies its learned weight.

    beta: the weight of a new gradient in the average is beta / step ** beta_decay. learning_rate:
    the paper's gamma, divided by step ** rate_decay. decay: the paper's rho.
    """

    name: Literal["moco"] = "moco"
    beta: Annotated[float, Field(gt=0, le=1)] = 0.5
    beta_decay: Annotated[float, Field(ge=0)] = 0.5
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    rate_decay: Annotated[float, Field(ge=0)] = 0.5
    decay: Annotated[float, Field(ge=0)] = 0.0

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        balancer = MoCoAtParameters if self.at == "parameters" else MoCoBalancer
        return balancer(targets, self)


class MoCoBalancer(GradientBalancer):
    """At the representation. learned: [tasks], on the simplex. steps: [tasks], steps with the task
    present. products: [tasks, tasks], averaged inner products.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], method: MoCo) -> None:
        super().__init__(targets)
        self.method, count = method, self.num_tasks
        (self.learned,) = task_variables(count, "learned", value=1 / count)
        (self.steps,) = task_variables(count, "steps")
        zeros = keras.ops.zeros((count, count))
        self.products = keras.Variable(zeros, trainable=False, name="products")
        self.variables = [self.learned, self.steps, self.products]

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        rates = self._averaging_rates(tasks.present)
        pairs = keras.ops.minimum(rates[:, None], rates)
        self.products.assign_add(pairs * (tasks.gramian - self.products))
        weights = self._updated_weights(tasks, keras.ops.convert_to_tensor(self.products))
        return tasks.weighted_sum(weights), weights

    def _averaging_rates(self, present: Tensor) -> Tensor:
        """Count the step. Its weight in the averages, float32 [tasks]: 1 in a task's first step."""
        ops = keras.ops
        self.steps.assign_add(present)
        rates = self.method.beta / ops.maximum(self.steps, 1.0) ** self.method.beta_decay
        return present * ops.where(self.steps > 1, rates, 1.0)

    def _updated_weights(self, tasks: TaskGradients, products: Tensor) -> Tensor:
        """The task weights float32 [tasks] after a step, given averaged inner products."""
        ops, present = keras.ops, tasks.present
        products *= present[:, None] * present
        mean = ops.sum(ops.diagonal(products)) / ops.maximum(ops.sum(present), 1.0)
        products /= ops.where(mean > 0, mean, 1.0)
        rate = self.method.learning_rate / ops.maximum(self.steps, 1.0) ** self.method.rate_decay
        before = ops.convert_to_tensor(self.learned)
        learned = min_norm_step(before, products, present, rate, self.method.decay)
        self.learned.assign(learned)
        task_weights = present * self.task_weights()
        return scaled_to_sum(task_weights * learned, ops.sum(task_weights))


class MoCoAtParameters(MoCoBalancer):
    """At the parameters. averages: [parameters, tasks], the paper's y."""

    def prepare(self, features: int) -> None:
        zeros = keras.ops.zeros((features, self.num_tasks))
        self.averages = keras.Variable(zeros, trainable=False, name="averages")
        self.variables.append(self.averages)

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        gradients = ops.transpose(tasks.gradients[:, 0])
        self.averages.assign_add(self._averaging_rates(tasks.present) * (gradients - self.averages))
        averages = ops.convert_to_tensor(self.averages)
        weights = self._updated_weights(tasks, ops.matmul(ops.transpose(averages), averages))
        return ops.matmul(averages, weights)[None], weights
