"""Fixed weights, chosen by hand or by a search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, LossBalancer, check_tasks
from models.balancing.loss_based.equal import ConstantWeights
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class FixedWeights(Balancing):
    """The weighted sum of the losses, or their weighted mean over the tasks present in the batch.

    weights: by task; 1 for tasks that are not listed. They multiply the tasks' own `weight`, but do
        not count in the metric `loss`, by which models are compared.
    """

    name: Literal["fixed"] = "fixed"
    weights: Mapping[str, Annotated[float, Field(ge=0)]] = field(default_factory=dict)
    reduction: Literal["sum", "mean"] = "sum"

    def check(self, tasks: Collection[str]) -> None:
        check_tasks("weights", self.weights, tasks)

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        self.check([t.name for t in targets])
        return ConstantWeights(targets, self.weights, self.reduction)
