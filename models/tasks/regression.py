"""Regression tasks: a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.tasks.base import Coverage, Task


@final
@dataclass(frozen=True, kw_only=True)
class RegressionTask(Task):
    """A number. Encoded label: float32 [batch], in the label's own unit, or NaN for missing.

    Predictions are in that unit too. The loss is computed on standardised labels, so that tasks in
    different units can share a trunk.

    loss: "mse", or "huber" with threshold 1 on the standardised scale, so that few outliers do not
        decide. Labels are standardised by mean and standard deviation, for "huber" by the median
        and the scale of their middle half, which outliers do not move.
    log: learn sign(x)·log(1 + |x|), for long tails. Predictions are in the label's own unit still.
    coverage: also answer with an interval that holds the right number in so many rows, such as 0.9:
        see `components.calibration.conformal`.
    """

    kind: Literal["regression"] = "regression"
    loss: Literal["mse", "huber"] = "mse"
    log: bool = False
    coverage: Coverage | None = None
    answer = "number"
    serving_method = "regress"

    @property
    def has_squared_error(self) -> bool:
        return self.loss == "mse"

    @property
    def covers(self) -> float | None:
        return self.coverage
