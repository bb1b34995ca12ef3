"""FairGrad (Ban and Ji 2024, ICML, arXiv:2402.15638, equation 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import SHORTEST, STATIONARY, cosines
from models.balancing.math.newton import proportionally_fair
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class FairGrad(GramianBalancing):
    """Alpha-fair improvement of the tasks: weights w with `(G w) ** alpha = 1 / w` for the Gramian
    G. To first order all tasks improve.

    alpha: 1 is `nash_mtl`; towards infinity the least improvement is made largest. The weights are
    scaled to add up as in plain training, which the paper's do not. Not exact at the
    representation. A task without a gradient is left out.
    """

    __pydantic_config__ = STRICT
    name: Literal["fairgrad"] = "fairgrad"
    alpha: Annotated[float, Field(gt=0)] = 2.0

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return FairGradBalancer(targets, self.alpha)


class FairGradBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], alpha: float) -> None:
        super().__init__(targets)
        self.alpha = alpha

    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        angles = cosines(gramian, present)
        matrix = angles.matrix + STATIONARY * ops.eye(len(self.task_weights), dtype="float64")
        shares = wanted * angles.norms ** (1 - self.alpha)
        weights = angles.active * proportionally_fair(matrix, shares, self.alpha) / angles.norms
        return weights * ops.sum(present * wanted) / ops.maximum(ops.sum(weights), SHORTEST)
