"""GradNorm (Chen et al. 2018, ICML, arXiv:1711.02257, equations 1 and 2 and algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget

SMALLEST = 1e-6
"""Of what is divided by, and of learned weights."""


@dataclass(frozen=True, kw_only=True)
class GradNorm(GramianBalancing):
    """Learns task weights that keep the norms of the weighted gradients near a common size, times
    how far each task's loss lags behind: (L / L at first, relative to the tasks' mean) ** alpha.

    Norms are taken at the shared representation (the paper: at the last shared layer's weights).
    The weights take steps of `learning_rate` down the paper's L_grad divided by the mean norm,
    which makes the rate free of scale, as Adam is in the paper; then they are scaled to add up as
    before. A task's own weight multiplies its learned one.

    alpha: 0 asks for equal norms; larger values pull lagging tasks harder.
    """

    __pydantic_config__ = STRICT
    name: Literal["gradnorm"] = "gradnorm"
    alpha: Annotated[float, Field(ge=0)] = 1.5
    learning_rate: Annotated[float, Field(gt=0)] = 0.025

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return GradNormBalancer(targets, self.alpha, self.learning_rate)


class GradNormBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], alpha: float, rate: float) -> None:
        super().__init__(targets)
        self.alpha, self.rate = alpha, rate
        tasks = (len(targets),)
        self.learned = keras.Variable(keras.ops.ones(tasks), trainable=False, name="learned")
        self.first_losses = keras.Variable(
            keras.ops.zeros(tasks), trainable=False, name="first_losses"
        )
        self.variables = [self.learned, self.first_losses]

    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        before = ops.cast(self.learned, "float64")
        first = ops.cast(self.first_losses, "float64")
        first = ops.where((first == 0) & (present > 0), losses, first)
        norms = present * ops.sqrt(ops.maximum(ops.diagonal(gramian), 0))
        count = ops.maximum(ops.sum(present), 1)
        progress = present * losses / ops.where(first > 0, first, 1)
        lag = progress * count / ops.maximum(ops.sum(progress), SMALLEST)
        goal = ops.sum(before * norms) / count * lag**self.alpha
        slope = (
            ops.sign(before * norms - goal) * norms * count / ops.maximum(ops.sum(norms), SMALLEST)
        )
        after = ops.maximum(before - self.rate * present * slope, SMALLEST)
        kept = ops.sum(present * before) / ops.maximum(ops.sum(present * after), SMALLEST)
        self.learned.assign(ops.cast(ops.where(present > 0, after * kept, before), "float32"))
        self.first_losses.assign(ops.cast(first, "float32"))
        return wanted * before
