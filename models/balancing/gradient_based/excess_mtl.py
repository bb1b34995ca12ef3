"""ExcessMTL (He et al. 2024, ICML, arXiv:2402.02009, equations 6 to 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.balancing.math.state import task_variables
from models.balancing.math.weighted_sum import scaled_to_sum, softmax_over_present
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class ExcessMTL(GradientBalancing):
    """Gives most weight to the tasks that are furthest above their own best loss (excess risk). So
    tasks with noisy labels, whose loss cannot be reduced, do not dominate.

    The excess risk is estimated by g · g / sqrt(sum of g² over all steps), relative to its first
    values. Each step multiplies a task's weight by exp(learning_rate · excess risk) and scales the
    weights to the same sum as in plain training. Difference from the paper: g is the
    representation's gradient summed over the batch (that of a bias added to the representation),
    not the gradient of the shared parameters. State: one number per task and feature.

    warmup_steps: steps that measure the first values, without changing the weights; 1 in the
        official code, three epochs in the paper.
    """

    name: Literal["excess_mtl"] = "excess_mtl"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    warmup_steps: Annotated[int, Field(ge=1)] = 1

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        return ExcessMTLBalancer(targets, self.learning_rate, self.warmup_steps)


class ExcessMTLBalancer(GradientBalancer):
    """logits: [tasks], logarithms of the learned weights. first: [tasks], sum of the risks during
    the warm-up. steps: [tasks], steps with the task present. squares: [features, tasks], sum of
    squared gradients.
    """

    def __init__(
        self, targets: tuple[TaskTarget, ...], learning_rate: float, warmup_steps: int
    ) -> None:
        super().__init__(targets)
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.variables = task_variables(self.num_tasks, "logits", "first", "steps")
        self.logits, self.first, self.steps = self.variables

    def prepare(self, features: int) -> None:
        zeros = keras.ops.zeros((features, self.num_tasks))
        self.squares = keras.Variable(zeros, trainable=False, name="squares")
        self.variables.append(self.squares)

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        ops, present = keras.ops, tasks.present
        squares = ops.transpose(tasks.sum_over_rows(tasks.gradients) ** 2)
        self.squares.assign_add(squares)
        roots = ops.sqrt(self.squares)
        risks = ops.sum(squares / ops.where(roots > 0, roots, 1.0), axis=0)

        in_warmup = present * ops.cast(self.steps < self.warmup_steps, "float32")
        self.first.assign_add(in_warmup * risks)
        self.steps.assign_add(present)
        first = self.first / self.warmup_steps
        relative = ops.where(first > 0, risks / ops.where(first > 0, first, 1.0), 0.0)
        logits = self.logits + (present - in_warmup) * self.learning_rate * relative
        log_sum_change = _log_sum(self.logits, present) - _log_sum(logits, present)
        self.logits.assign(logits + present * log_sum_change)

        task_weights = self.task_weights()
        unscaled = task_weights * softmax_over_present(self.logits, present)
        weights = scaled_to_sum(unscaled, ops.sum(present * task_weights))
        return tasks.weighted_sum(weights), weights


def _log_sum(logits: Tensor, present: Tensor) -> Tensor:
    """The logarithm of the sum of the present tasks' weights."""
    logits = keras.ops.convert_to_tensor(logits)
    return keras.ops.logsumexp(keras.ops.where(present > 0, logits, -1e30))
