"""IMTL (Liu et al. 2021, ICLR, "Towards Impartial Multi-task Learning", algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.gradient_based.imtl_g import EqualProjections
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class IMTL(GramianBalancing):
    """Scales the losses to 1 (IMTL-L), then combines the gradients of the scaled losses (`imtl_g`).

    IMTL-L minimises exp(s) L - s with a trained s per task. A task's weight multiplies this whole
    term, so that s cannot cancel it. State: s per task.
    """

    name: Literal["imtl"] = "imtl"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return IMTLBalancer(targets)


class IMTLBalancer(EqualProjections):
    """log_scales: [tasks], the trained s."""

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.log_scales = keras.Variable(keras.ops.zeros((self.num_tasks,)), name="log_scales")
        self.variables = [self.log_scales, *self.variables]

    def objective(self, losses: Tensor, present: Tensor) -> Tensor:
        s = keras.ops.convert_to_tensor(self.log_scales)
        return keras.ops.sum(present * self.task_weights() * (keras.ops.exp(s) * losses - s))

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        scales = keras.ops.exp(keras.ops.cast(self.log_scales, "float64"))
        scaled = gramian * scales[:, None] * scales
        return scales * self.equal_projections(scaled, present)
