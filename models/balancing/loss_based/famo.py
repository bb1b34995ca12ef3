"""FAMO: fast adaptive multitask optimisation (Liu et al. 2023, NeurIPS, arXiv:2306.03792)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, HindsightBalancer
from models.balancing.math.state import TINY, task_variables
from models.balancing.math.weighted_sum import WeightedLosses, softmax_over_present
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, kw_only=True)
class FAMO(Balancing):
    """Makes all losses fall at the same rate. Helps when tasks learn at different speeds.

    Algorithm 1: weights are proportional to z / loss, with z = softmax(logits). After the update,
    the losses of the same batch are computed again, and the logits take one Adam step (as in the
    official code) that lowers those of tasks whose log loss fell more than that of the others.

    Costs one extra forward pass through trunk and towers, in training mode with new dropout masks;
    batch normalisation counts the batch twice. State: logits and Adam moments per task.

    learning_rate: of the logits. decay: pulls the logits back to equal weights.
    """

    name: Literal["famo"] = "famo"
    learning_rate: Annotated[float, Field(gt=0)] = 0.025
    decay: Annotated[float, Field(ge=0)] = 0.001

    def build(self, targets: tuple[TaskTarget, ...]) -> HindsightBalancer:
        return FAMOBalancer(targets, self.learning_rate, self.decay)


class FAMOBalancer(WeightedLosses, HindsightBalancer):
    """logits, moment1, moment2: [tasks]. steps: [tasks], steps in which a task was present."""

    def __init__(self, targets: tuple[TaskTarget, ...], learning_rate: float, decay: float) -> None:
        super().__init__(targets)
        self.learning_rate, self.decay = learning_rate, decay
        self.logits, self.moment1, self.moment2, self.steps = self.variables = task_variables(
            self.num_tasks, "logits", "moment1", "moment2", "steps"
        )

    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        return softmax_over_present(self.logits, present) / (losses + TINY)

    def after_update(self, before: Tensor, after: Tensor, present: Tensor) -> None:
        ops = keras.ops
        z = softmax_over_present(self.logits, present)
        fall = ops.log(before + TINY) - ops.log(after + TINY)
        gradient = z * (fall - ops.sum(z * fall)) + self.decay * self.logits
        self.steps.assign_add(present)
        self.moment1.assign_add(present * ((1 - BETA1) * (gradient - self.moment1)))
        self.moment2.assign_add(present * ((1 - BETA2) * (gradient**2 - self.moment2)))
        steps = ops.maximum(self.steps, 1.0)
        mean = self.moment1 / (1 - ops.power(BETA1, steps))
        spread = ops.sqrt(self.moment2 / (1 - ops.power(BETA2, steps)))
        self.logits.assign_add(present * (-self.learning_rate * mean / (spread + EPSILON)))
