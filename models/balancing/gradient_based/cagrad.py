"""CAGrad (Liu et al. 2021, NeurIPS, arXiv:2110.14048, equation 4 and algorithm 1)."""

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
class CAGrad(GramianBalancing):
    """The update that helps the worst-off task most, no further from the summed gradient than
    `radius` times its length.

    Divided by 1 + `radius`, as the official code can, so that gradients that agree are plain
    training. Not exact at the representation.

    radius: the paper's c. 0 is plain training.
    """

    __pydantic_config__ = STRICT
    name: Literal["cagrad"] = "cagrad"
    radius: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return CAGradBalancer(targets, self.radius)


class CAGradBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], radius: float) -> None:
        super().__init__(targets)
        self.radius = radius

    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        wanted *= present
        towards = ops.matmul(gramian, wanted)
        radius = self.radius * ops.sqrt(ops.maximum(ops.sum(wanted * towards), 0))

        def derivatives(
            x: keras.KerasTensor, blur: keras.KerasTensor
        ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
            along = ops.matmul(gramian, x)
            length = ops.sqrt(ops.maximum(ops.sum(x * along), 0) + blur)
            slope = along / length
            pull = radius / length
            return towards + radius * slope, pull * (gramian - slope[:, None] * slope)

        shares = present * on_simplex(derivatives, present, centering=0.2)
        length = ops.sqrt(ops.maximum(ops.sum(shares * ops.matmul(gramian, shares)), 0) + 1e-14)
        return (wanted + radius / length * shares) / (1 + self.radius)
