"""IMTL-G (Liu et al. 2021, ICLR, "Towards Impartial Multi-task Learning", equations 4 to 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import cosines
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget

ROUNDING = 1e-7
"""Of inner products taken in float32; parallel gradients share their weight."""


@dataclass(frozen=True, kw_only=True)
class IMTLG(GramianBalancing):
    """The combination of gradients whose projections on all tasks' gradients are equally long; with
    task weights, as long as those say.

    Closed form; weights may be negative, and grow without bound where no such combination has a
    positive sum. The paper takes it at the representation too. A task without a gradient is left
    out.
    """

    __pydantic_config__ = STRICT
    name: Literal["imtl_g"] = "imtl_g"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return IMTLGBalancer(targets)


class IMTLGBalancer(GramianBalancer):
    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        return equal_projections(
            gramian, present, ops.convert_to_tensor(self.task_weights, "float64")
        )


def equal_projections(
    gramian: keras.KerasTensor, present: keras.KerasTensor, wanted: keras.KerasTensor
) -> keras.KerasTensor:
    """Weights float64 [tasks] of gradients whose sum projects on each in proportion to `wanted`.

    They add up to what is wanted of the tasks that are present.
    """
    ops = keras.ops
    angles = cosines(gramian, present)
    matrix = angles.matrix + ROUNDING * ops.eye(present.shape[0], dtype="float64")
    weights = angles.active * ops.solve(matrix, angles.active * wanted) / angles.norms
    total = ops.sum(weights)
    safe = ops.where(ops.abs(total) > ROUNDING, total, 1)
    return weights * ops.sum(present * wanted) / safe
