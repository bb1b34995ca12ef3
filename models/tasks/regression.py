"""Regression tasks: a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.tasks.base import Task


@final
@dataclass(frozen=True, kw_only=True)
class RegressionTask(Task):
    """A number. Encoded label: float32 [batch], in the label's own unit, or NaN for missing.

    The head predicts in that unit too; the loss works on the standardised label, so that tasks in
    different units can share a trunk.

    label: the column that holds it. weight: of the task beside others.
    loss: "mse" or "huber" (on the standardised scale, threshold 1).
    """

    kind: Literal["regression"] = "regression"
    loss: Literal["mse", "huber"] = "mse"
    answer = "number"
    serving_method = "regress"

    @property
    def has_squared_error(self) -> bool:
        return self.loss == "mse"
