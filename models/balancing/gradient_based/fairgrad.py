"""FairGrad (Ban and Ji 2024, ICML, arXiv:2402.15638, equation 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.cosines import SMALLEST_NORM, cosines
from models.balancing.math.newton import solve_alpha_fair
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class FairGrad(GramianBalancing):
    """Alpha-fair improvement of the tasks: weights w with `(G w) ** alpha = 1 / w` for the Gramian
    G. To first order every task improves. Not exact at the representation.

    Difference from the paper: the weights are scaled to the same sum as in plain training. A task
    without a gradient is left out.

    alpha: 1 is `nash_mtl`; as it goes to infinity, the smallest improvement is maximised.
    """

    name: Literal["fairgrad"] = "fairgrad"
    alpha: Annotated[float, Field(gt=0)] = 2.0

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return FairGradBalancer(targets, self.alpha)


class FairGradBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], alpha: float) -> None:
        super().__init__(targets)
        self.alpha = alpha

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        task_weights = self.task_weights("float64")
        angles = cosines(gramian, present)
        shares = task_weights * angles.norms ** (1 - self.alpha)
        solution = solve_alpha_fair(angles.regularized(), shares, self.alpha)
        weights = angles.active * solution / angles.norms
        total = ops.sum(present * task_weights)
        return weights * total / ops.maximum(ops.sum(weights), SMALLEST_NORM)
