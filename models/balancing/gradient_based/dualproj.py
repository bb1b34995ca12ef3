"""The summed gradient, projected (GEM, Lopez-Paz and Ranzato 2017, arXiv:1706.08840, eq. 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import SHORTEST, cosines
from models.balancing.math.newton import nonnegative
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class DualProj(GramianBalancing):
    """The update nearest to the summed gradient that conflicts with no task: to first order no
    task's loss rises. Without conflicts this is plain training. (TorchJD's name is DualProj.)

    Not exact at the representation: no conflict there is no promise for the parameters.
    """

    __pydantic_config__ = STRICT
    name: Literal["dualproj"] = "dualproj"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return DualProjBalancer(targets)


class DualProjBalancer(GramianBalancer):
    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        wanted = self.wanted
        angles = cosines(gramian, present)
        lengths = angles.active * wanted * angles.norms
        unit = ops.maximum(ops.max(lengths), SHORTEST)
        added = nonnegative(angles.matrix, ops.matmul(lengths / unit, angles.matrix)[None])[0]
        return angles.active * (lengths + unit * added) / angles.norms
