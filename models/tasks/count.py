"""Count tasks: how many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.tasks.base import Coverage, Task


@final
@dataclass(frozen=True, kw_only=True)
class CountTask(Task):
    """How many: a whole number of 0 or more. Encoded label: float32 [batch], or NaN for missing.

    The prediction is the expected count. The loss is that of Poisson regression with a log link.

    coverage: also answer with an interval that holds the right number in so many rows, such as 0.9:
        see `components.calibration.conformal`.
    """

    kind: Literal["count"] = "count"
    coverage: Coverage | None = None
    answer = "number"
    serving_method = "regress"
    has_squared_error = False

    @property
    def covers(self) -> float | None:
        return self.coverage
