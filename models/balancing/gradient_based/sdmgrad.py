"""SDMGrad (Xiao, Ban and Ji 2023, NeurIPS, arXiv:2305.18409, equations 7 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.newton import minimize_on_simplex
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class SDMGrad(GramianBalancing):
    """Interpolates between MGDA and plain training: the convex combination of the gradients that,
    added to `towards` times their mean, has the smallest norm. Not exact at the representation.

    Differences from the paper: solved to convergence on one batch, where the paper takes projected
    gradient steps with inner products between two batches (those of one are larger by the noise). A
    task's weight divides its gradient in the combination, as in `mgda`; it multiplies it in the
    mean.

    towards: the paper's lambda; 0 is MGDA, large values approach plain training.
    """

    name: Literal["sdmgrad"] = "sdmgrad"
    towards: Annotated[float, Field(ge=0)] = 0.3

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return SDMGradBalancer(targets, self.towards)


class SDMGradBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], towards: float) -> None:
        super().__init__(targets)
        self.towards = towards

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        task_weights = self.task_weights("float64")
        total = ops.maximum(ops.sum(present * task_weights), 1e-30)
        relative = task_weights * ops.maximum(ops.sum(present), 1) / total  # mean 1
        scaled = gramian / (relative[:, None] * relative)
        mean = present * task_weights / total
        pull = self.towards * ops.matmul(scaled, mean * relative)
        shares = minimize_on_simplex(lambda x, _: (ops.matmul(scaled, x) + pull, scaled), present)
        shares *= present / relative
        shares /= ops.maximum(ops.sum(shares), 1e-30)
        return total * (shares + self.towards * mean) / (1 + self.towards)
