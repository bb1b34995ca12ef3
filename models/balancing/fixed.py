"""Fixed weights: given by hand, or found by a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, LossBalancer
from models.balancing.equal import ConstantWeights
from models.inputs import STRICT
from models.task import TaskTarget


@dataclass(frozen=True, kw_only=True)
class Fixed(Balancing):
    """The weighted sum of the losses, or their weighted mean over the tasks present in the batch.

    weights: by task, others 1. They multiply the tasks' own `weight`, which also counts in the
        figure `loss`, by which models are compared; these do not.
    """

    __pydantic_config__ = STRICT
    name: Literal["fixed"] = "fixed"
    weights: Mapping[str, Annotated[float, Field(ge=0)]] = field(default_factory=dict)
    reduction: Literal["sum", "mean"] = "sum"

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        """See `Balancing.build`.

        Raises:
            ValueError: a weight is given for a task that the model does not have.
        """
        names = [t.name for t in targets]
        for name in self.weights:
            if name not in names:
                raise ValueError(
                    f"model.balancing.weights: no task {name!r}. Expected some of: "
                    + ", ".join(map(repr, names))
                )
        weights = [t.task.weight * self.weights.get(t.name, 1.0) for t in targets]
        return ConstantWeights(weights, self.reduction)
