"""DB-MTL: dual-balancing (Lin et al. 2023, arXiv:2308.12029, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget

TINY = 1e-8


@dataclass(frozen=True, kw_only=True)
class DBMTL(GradientBalancing):
    """Gradients of the logarithms of the losses, all brought to the length of the longest.

    The longest is measured in gradients of the losses themselves, so that equal tasks train as
    plainly summed; the weights add up to more the further the lengths lie apart, as in the paper.
    The paper smooths the gradients of shared parameters over steps. At the representation every
    batch has gradients of its own, and only their squared lengths are smoothed: exact with `beta:
    0`, and otherwise without the paper's averaging of directions. Heads and towers follow the
    plain losses. It helps where losses or gradients differ in scale. State: a length by task.

    beta: how much of the past the smoothing keeps: beta / step ** sigma.
    """

    __pydantic_config__ = STRICT
    name: Literal["db_mtl"] = "db_mtl"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9
    sigma: Annotated[float, Field(ge=0)] = 0.5

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        return DBMTLBalancer(targets, self.beta, self.sigma)


class DBMTLBalancer(GradientBalancer):
    """See `DBMTL`.

    squares: [tasks], smoothed squared lengths of the gradients of log losses. steps: [tasks], those
        in which a task was present.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], beta: float, sigma: float) -> None:
        super().__init__(targets)
        self.beta, self.sigma = beta, sigma
        self.squares, self.steps = self.variables = [
            keras.Variable(keras.ops.zeros((len(targets),)), trainable=False, name=name)
            for name in ("squares", "steps")
        ]

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        ops = keras.ops
        losses, present = tasks.losses + TINY, tasks.present
        new = ops.diagonal(tasks.gramian) / losses**2
        self.steps.assign_add(present)
        kept = self.beta / ops.maximum(self.steps, 1.0) ** self.sigma
        kept = ops.where(self.steps > 1, kept, 0.0)
        self.squares.assign_add(present * (1 - kept) * (new - self.squares))
        lengths = present * losses * ops.sqrt(self.squares)
        factors = ops.where(lengths > 0, ops.max(lengths) / ops.maximum(lengths, 1e-30), 0.0)
        weights = factors * ops.convert_to_tensor(self.task_weights, "float32")
        return ops.tensordot(weights, tasks.gradients, 1), weights
