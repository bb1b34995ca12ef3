"""ExcessMTL (He et al. 2024, ICML, arXiv:2402.02009, equations 6 to 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.balancing.math.weighted_sum import shares
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class ExcessMTL(GradientBalancing):
    """Pulls hardest at the tasks that are furthest from their own best loss, whatever that is, so
    that tasks with noisy labels do not take over.

    The distance is estimated by g · g / sqrt(sum of g² over all steps), relative to its first
    values; a task's weight is multiplied by exp(learning_rate · distance) in each step, and the
    weights add up as in plain training. The paper takes g for the shared parameters; here g is the
    representation's gradient summed over the batch, that is the one of a bias added to it. State:
    one number for each task and feature.

    warmup_steps: that give the first values, in which the weights stay; the authors' code takes 1,
        the paper three epochs.
    """

    __pydantic_config__ = STRICT
    name: Literal["excess_mtl"] = "excess_mtl"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    warmup_steps: Annotated[int, Field(ge=1)] = 1

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        return ExcessMTLBalancer(targets, self.learning_rate, self.warmup_steps)


class ExcessMTLBalancer(GradientBalancer):
    """See `ExcessMTL`.

    logits: [tasks], logarithms of the learned weights. first: [tasks], summed distances of the
        warm-up. steps: [tasks], those in which a task was present. squares: [features, tasks],
        summed squares of the gradients.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], rate: float, warmup_steps: int) -> None:
        super().__init__(targets)
        self.rate, self.warmup_steps = rate, warmup_steps
        self.logits, self.first, self.steps = self.variables = [
            keras.Variable(keras.ops.zeros((len(targets),)), trainable=False, name=name)
            for name in ("logits", "first", "steps")
        ]

    def prepare(self, features: int) -> None:
        zeros = keras.ops.zeros((features, len(self.task_weights)))
        self.squares = keras.Variable(zeros, trainable=False, name="squares")
        self.variables.append(self.squares)

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        ops, present = keras.ops, tasks.present
        squares = ops.transpose(ops.sum(tasks.gradients, axis=1) ** 2)
        self.squares.assign_add(squares)
        roots = ops.sqrt(self.squares)
        distances = ops.sum(squares / ops.where(roots > 0, roots, 1.0), axis=0)

        starting = present * ops.cast(self.steps < self.warmup_steps, "float32")
        self.first.assign_add(starting * distances)
        self.steps.assign_add(present)
        usual = self.first / self.warmup_steps
        risen = ops.where(usual > 0, distances / ops.where(usual > 0, usual, 1.0), 0.0)
        logits = self.logits + (present - starting) * self.rate * risen
        self.logits.assign(
            logits + present * (_total(self.logits, present) - _total(logits, present))
        )

        wanted = ops.convert_to_tensor(self.task_weights, "float32")
        raw = wanted * shares(self.logits, present)
        weights = raw * ops.sum(present * wanted) / ops.maximum(ops.sum(raw), 1e-30)
        return ops.tensordot(weights, tasks.gradients, 1), weights


def _total(logits: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
    """The logarithm of the summed weights of the tasks present."""
    return keras.ops.logsumexp(keras.ops.where(present > 0, logits, -1e30))
