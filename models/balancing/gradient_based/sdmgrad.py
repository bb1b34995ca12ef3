"""SDMGrad (Xiao, Ban and Ji 2023, NeurIPS, arXiv:2305.18409, equations 7 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.newton import on_simplex
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class SDMGrad(GramianBalancing):
    """Between MGDA and plain training: the shortest of all convex combinations of the gradients
    plus `towards` times their mean.

    Solved to convergence on the gradients of one batch, where the paper takes steps of projected
    descent with inner products between two batches: those of one batch are larger by the noise.
    A task's weight divides its gradient in the convex combination, as in `mgda`, and multiplies it
    in the mean. Not exact at the representation. No state.

    towards: the paper's lambda; 0 is MGDA, large values are plain training.
    """

    __pydantic_config__ = STRICT
    name: Literal["sdmgrad"] = "sdmgrad"
    towards: Annotated[float, Field(ge=0)] = 0.3

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return SDMGradBalancer(targets, self.towards)


class SDMGradBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], towards: float) -> None:
        super().__init__(targets)
        self.towards = towards

    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        total = ops.maximum(ops.sum(present * self.wanted), 1e-30)
        own = self.wanted * ops.maximum(ops.sum(present), 1) / total
        scaled = gramian / (own[:, None] * own)
        mean = present * self.wanted / total
        pull = self.towards * ops.matmul(scaled, mean * own)
        shares = on_simplex(lambda x, _: (ops.matmul(scaled, x) + pull, scaled), present)
        shares *= present / own
        shares /= ops.maximum(ops.sum(shares), 1e-30)
        return total * (shares + self.towards * mean) / (1 + self.towards)
