"""Nash-MTL (Navon et al. 2022, ICML, arXiv:2202.01017, claim 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import SHORTEST, STATIONARY, cosines
from models.balancing.math.newton import proportionally_fair
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class NashMTL(GramianBalancing):
    """The tasks' bargaining solution: weights a with `G a = 1 / a` for the Gramian G; to first
    order all tasks improve, and no task's scale matters. A task's weight is its bargaining power.

    Solved in every step by Newton's method, where the official code takes convex-concave steps
    every so often. The weights are then scaled to add up as in plain training, which the paper's
    do not: they grow as gradients shrink. Not exact at the representation. A task without a
    gradient is left out.
    """

    __pydantic_config__ = STRICT
    name: Literal["nash_mtl"] = "nash_mtl"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return NashMTLBalancer(targets)


class NashMTLBalancer(GramianBalancer):
    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        angles = cosines(gramian, present)
        matrix = angles.matrix + STATIONARY * ops.eye(len(self.task_weights), dtype="float64")
        weights = angles.active * proportionally_fair(matrix, wanted, 1.0) / angles.norms
        return weights * ops.sum(present * wanted) / ops.maximum(ops.sum(weights), SHORTEST)
