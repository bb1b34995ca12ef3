"""Binary tasks: yes or no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.tasks.base import Task
from models.values import Texts, Weights


@final
@dataclass(frozen=True, kw_only=True)
class BinaryTask(Task):
    """Yes or no. Encoded label: float32 [batch]: 1.0, 0.0, or NaN for missing.

    positive: label values that mean yes; any other value means no.
    class_weight: "balanced", or weights for "negative" and "positive".
    """

    kind: Literal["binary"] = "binary"
    positive: Texts = ("1", "true")
    class_weight: Literal["balanced"] | Weights | None = None
    answer = "number"
    serving_method = "classify"
    has_squared_error = False
