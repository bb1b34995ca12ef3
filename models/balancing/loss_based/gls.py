"""Geometric loss strategy (Chennupati et al. 2019, CVPR workshops, arXiv:1904.08492, equation 2).

The geometric mean of the losses: a task's weight is inversely proportional to its loss, so that
losses of any scale count alike. No state, no cost. It helps where losses differ by orders of
magnitude; a task whose loss goes to zero draws the others' gradients down with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import Balancing, LossBalancer
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget

TINY = 1e-8


@dataclass(frozen=True, kw_only=True)
class GLS(Balancing):
    """The geometric mean of the losses, times the number of tasks.

    The weights add up to the number of tasks where the losses are equal, and to more the further
    they lie apart: their magnitude is the method's own.
    """

    __pydantic_config__ = STRICT
    name: Literal["gls"] = "gls"

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return GLSBalancer(targets)


class GLSBalancer(LossBalancer):
    """See `GLS`. Tasks' own weights are the weights of the mean and add up to its factor."""

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__()
        self.task_weights = [t.task.weight for t in targets]

    def __call__(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        ops = keras.ops
        weights = present * ops.convert_to_tensor(self.task_weights, "float32")
        total = ops.sum(weights)
        logs = ops.sum(weights * ops.log(losses + TINY)) / ops.maximum(total, TINY)
        return total * ops.exp(logs)
