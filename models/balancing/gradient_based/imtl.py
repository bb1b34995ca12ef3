"""IMTL (Liu et al. 2021, ICLR, "Towards Impartial Multi-task Learning", algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.gradient_based.imtl_g import equal_projections
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class IMTL(GramianBalancing):
    """IMTL-L scales the losses, exp(s) L - s with a trained s for each task, so that all scaled
    losses tend to 1; IMTL-G (`imtl_g`) then combines the gradients of the scaled losses.

    A task's weight multiplies its whole scaled term, so that no s can undo it.
    """

    __pydantic_config__ = STRICT
    name: Literal["imtl"] = "imtl"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return IMTLBalancer(targets)


class IMTLBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.log_scales = keras.Variable(keras.ops.zeros((len(targets),)), name="log_scales")
        self.variables = [self.log_scales]

    def objective(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        weights = present * keras.ops.convert_to_tensor(self.task_weights, "float32")
        s = keras.ops.convert_to_tensor(self.log_scales)
        return keras.ops.sum(weights * (keras.ops.exp(s) * losses - s))

    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        scales = ops.exp(ops.cast(self.log_scales, "float64"))
        wanted = self.wanted
        return scales * equal_projections(gramian * scales[:, None] * scales, present, wanted)
