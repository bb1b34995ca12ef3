"""MGDA (Désidéri 2012; Sener and Koltun 2018, NeurIPS, arXiv:1810.04650, equation 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.newton import on_simplex
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class MGDA(GramianBalancing):
    """The shortest convex combination of the tasks' gradients: to first order no task's loss rises.

    Solved to convergence, not by steps of Frank and Wolfe. At the representation it is the paper's
    MGDA-UB, whose fixed points are Pareto stationary too (theorem 1). A task's weight divides its
    gradient before, so that tasks improve at rates in proportion to their weights. The weights add
    up as in plain training; the length of what they give, 0 at a Pareto stationary point, is part
    of the method.
    """

    __pydantic_config__ = STRICT
    name: Literal["mgda"] = "mgda"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return MGDABalancer(targets)


class MGDABalancer(GramianBalancer):
    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        scaled = gramian / (wanted[:, None] * wanted)
        weights = on_simplex(lambda x, _: (ops.matmul(scaled, x), scaled), present)
        weights *= present / wanted
        return weights * ops.sum(present * wanted) / ops.sum(weights)
