"""CAGrad (Liu et al. 2021, NeurIPS, arXiv:2110.14048, equation 4 and algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.newton import minimize_on_simplex
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class CAGrad(GramianBalancing):
    """The update that most improves the worst-off task, within `radius` times the norm of the
    summed gradient from the summed gradient. Not exact at the representation.

    Divided by 1 + `radius`, an option of the official code: equal gradients give plain training.

    radius: the paper's c. 0 is plain training.
    """

    name: Literal["cagrad"] = "cagrad"
    radius: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return CAGradBalancer(targets, self.radius)


class CAGradBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], radius: float) -> None:
        super().__init__(targets)
        self.radius = radius

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        task_weights = present * self.task_weights("float64")
        with_sum = ops.matmul(gramian, task_weights)  # inner products with the summed gradient
        radius = self.radius * ops.sqrt(ops.maximum(ops.sum(task_weights * with_sum), 0))

        def derivatives(x: Tensor, smoothing: Tensor) -> tuple[Tensor, Tensor]:
            product = ops.matmul(gramian, x)
            norm = ops.sqrt(ops.maximum(ops.sum(x * product), 0) + smoothing)
            slope = product / norm
            return with_sum + radius * slope, radius / norm * (gramian - slope[:, None] * slope)

        shares = present * minimize_on_simplex(derivatives, present, centering=0.2)
        norm = ops.sqrt(ops.maximum(ops.sum(shares * ops.matmul(gramian, shares)), 0) + 1e-14)
        return (task_weights + radius / norm * shares) / (1 + self.radius)
