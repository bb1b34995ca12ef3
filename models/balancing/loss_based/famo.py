"""FAMO: fast adaptive multitask optimisation (Liu et al. 2023, NeurIPS, arXiv:2306.03792).

Algorithm 1: weights in proportion to z / loss with z = softmax(logits), so that all losses fall at
one rate. After the update the losses of the same batch are computed again; the logits then fall for
the tasks whose logarithm fell more than the others': a step of Adam, as in the authors' code, along
the derivative of z · (log loss before - log loss after), with weight decay. The second look is a
forward pass through trunk and towers, in training mode like the first, with dropout drawn anew;
batch normalisation counts the batch twice. State: logits and moments by task. It helps where tasks
differ in speed, at a constant cost in the number of tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, HindsightBalancer
from models.balancing.math.weighted_sum import WeightedLosses, shares
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget

TINY = 1e-8
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, kw_only=True)
class FAMO(Balancing):
    """Has all losses fall at the same rate.

    learning_rate: of the logits. decay: pulls the logits back to equal weights.
    """

    __pydantic_config__ = STRICT
    name: Literal["famo"] = "famo"
    learning_rate: Annotated[float, Field(gt=0)] = 0.025
    decay: Annotated[float, Field(ge=0)] = 0.001

    def build(self, targets: tuple[TaskTarget, ...]) -> HindsightBalancer:
        return FAMOBalancer(targets, self.learning_rate, self.decay)


class FAMOBalancer(WeightedLosses, HindsightBalancer):
    """See `FAMO`.

    logits, moment1, moment2, steps: [tasks]; steps are those in which a task was present.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], learning_rate: float, decay: float) -> None:
        super().__init__(targets)
        self.learning_rate, self.decay = learning_rate, decay
        self.logits, self.moment1, self.moment2, self.steps = self.variables = [
            keras.Variable(keras.ops.zeros((len(targets),)), trainable=False, name=name)
            for name in ("logits", "moment1", "moment2", "steps")
        ]

    def weights(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        return shares(self.logits, present) / (losses + TINY)

    def after_update(
        self, before: keras.KerasTensor, after: keras.KerasTensor, present: keras.KerasTensor
    ) -> None:
        ops = keras.ops
        z = shares(self.logits, present)
        fall = ops.log(before + TINY) - ops.log(after + TINY)
        gradient = z * (fall - ops.sum(z * fall)) + self.decay * self.logits
        self.steps.assign_add(present)
        self._move(self.moment1, (1 - BETA1) * (gradient - self.moment1), present)
        self._move(self.moment2, (1 - BETA2) * (gradient**2 - self.moment2), present)
        steps = ops.maximum(self.steps, 1.0)
        mean = self.moment1 / (1 - ops.power(BETA1, steps))
        spread = ops.sqrt(self.moment2 / (1 - ops.power(BETA2, steps)))
        self._move(self.logits, -self.learning_rate * mean / (spread + EPSILON), present)

    def _move(
        self, variable: keras.Variable, by: keras.KerasTensor, present: keras.KerasTensor
    ) -> None:
        variable.assign_add(present * by)
