"""Equal weighting: every task counts by its own `weight` only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from models.balancing.base import Balancing, LossBalancer
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class Equal(Balancing):
    """The sum of the losses, or their mean over the tasks present in the batch."""

    name: Literal["equal"] = "equal"
    reduction: Literal["sum", "mean"] = "sum"

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return ConstantWeights(targets, {}, self.reduction)


class ConstantWeights(LossBalancer):
    """The weighted sum of the losses, or their weighted mean over the present tasks.

    factors: by task; each multiplies the task's own weight. 1 where missing.
    """

    def __init__(
        self,
        targets: tuple[TaskTarget, ...],
        factors: Mapping[str, float],
        reduction: Literal["sum", "mean"],
    ) -> None:
        super().__init__(targets)
        self.weights = [t.task.weight * factors.get(t.name, 1.0) for t in targets]
        self.reduction = reduction

    def __call__(self, losses: Tensor, present: Tensor) -> Tensor:
        weights = present * keras.ops.convert_to_tensor(self.weights, "float32")
        total = keras.ops.sum(weights * losses)
        if self.reduction == "sum":
            return total
        return total / keras.ops.maximum(keras.ops.sum(weights), 1e-12)
