"""MoCo (Fernando et al. 2023, ICLR, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.balancing.gradient_based.modo import stepped
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class MoCo(GradientBalancing):
    """Gradients averaged over steps, which undoes the bias that the noise of batches gives to MGDA;
    weights take one projected step per batch towards their shortest combination.

    At the parameters the averages are the paper's y, and they are what training follows. At the
    representation, whose rows are others in every batch, only inner products are averaged, and
    training follows the batch's own gradients. Inner products are relative to their mean size, so
    that `learning_rate` has no unit. A task's own weight multiplies its learned one. State: a
    gradient per task, or inner products.

    beta: what a new gradient counts, beta / step ** beta_decay. learning_rate: the paper's gamma,
    which decays likewise. decay: its rho.
    """

    __pydantic_config__ = STRICT
    name: Literal["moco"] = "moco"
    beta: Annotated[float, Field(gt=0, le=1)] = 0.5
    beta_decay: Annotated[float, Field(ge=0)] = 0.5
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    rate_decay: Annotated[float, Field(ge=0)] = 0.5
    decay: Annotated[float, Field(ge=0)] = 0.0

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        return (
            AveragedParameters(targets, self)
            if self.at == "parameters"
            else MoCoBalancer(targets, self)
        )


class MoCoBalancer(GradientBalancer):
    """See `MoCo`, at the representation.

    learned: [tasks], on the simplex. steps: [tasks], those in which a task was present. products:
        [tasks, tasks], averaged inner products.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], method: MoCo) -> None:
        super().__init__(targets)
        self.method, count = method, len(targets)
        ops = keras.ops
        self.learned = keras.Variable(
            ops.full((count,), 1 / count), trainable=False, name="learned"
        )
        self.steps = keras.Variable(ops.zeros((count,)), trainable=False, name="steps")
        self.products = keras.Variable(ops.zeros((count, count)), trainable=False, name="products")
        self.variables = [self.learned, self.steps, self.products]

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        weights = self.step(tasks, self.averaged(tasks))
        return keras.ops.tensordot(weights, tasks.gradients, 1), weights

    def averaged(self, tasks: TaskGradients) -> keras.KerasTensor:
        """Inner products float32 [tasks, tasks] of the averages, with this step in them."""
        new = self.news(tasks.present)
        pairs = keras.ops.minimum(new[:, None], new)
        self.products.assign_add(pairs * (tasks.gramian - self.products))
        return keras.ops.convert_to_tensor(self.products)

    def news(self, present: keras.KerasTensor) -> keras.KerasTensor:
        """What this step counts in the averages, float32 [tasks]: all at a task's first; counts
        the step.
        """
        ops = keras.ops
        self.steps.assign_add(present)
        later = self.method.beta / ops.maximum(self.steps, 1.0) ** self.method.beta_decay
        return present * ops.where(self.steps > 1, later, 1.0)

    def step(self, tasks: TaskGradients, products: keras.KerasTensor) -> keras.KerasTensor:
        """The weights float32 [tasks], after a step."""
        ops, present = keras.ops, tasks.present
        products *= present[:, None] * present
        size = ops.sum(ops.diagonal(products)) / ops.maximum(ops.sum(present), 1.0)
        products /= ops.where(size > 0, size, 1.0)
        rate = self.method.learning_rate / ops.maximum(self.steps, 1.0) ** self.method.rate_decay
        before = ops.convert_to_tensor(self.learned)
        learned = stepped(before, products, present, rate, self.method.decay)
        self.learned.assign(learned)
        wanted = present * ops.convert_to_tensor(self.task_weights, "float32")
        raw = wanted * learned
        return raw * ops.sum(wanted) / ops.maximum(ops.sum(raw), 1e-30)


class AveragedParameters(MoCoBalancer):
    """See `MoCo`, at the parameters. averages: [parameters, tasks], the paper's y."""

    def prepare(self, features: int) -> None:
        zeros = keras.ops.zeros((features, len(self.task_weights)))
        self.averages = keras.Variable(zeros, trainable=False, name="averages")
        self.variables.append(self.averages)

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        ops = keras.ops
        given = ops.transpose(tasks.gradients[:, 0])
        self.averages.assign_add(self.news(tasks.present) * (given - self.averages))
        averages = ops.convert_to_tensor(self.averages)
        weights = self.step(tasks, ops.matmul(ops.transpose(averages), averages))
        return ops.matmul(averages, weights)[None], weights
