"""Multiclass tasks: one of several classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

from models.tasks.base import Task
from models.values import Renaming, Texts, Weights


@final
@dataclass(frozen=True, kw_only=True)
class MulticlassTask(Task):
    """One of several classes. Encoded label: int32 [batch]: the class index, or -1 for missing.

    classes: in index order; if empty, the values of the training split, sorted.
    map: from label value to class, to derive classes from another column, such as `{"8": two}`. A
        value that is not in the map is an error.
    class_weight: "balanced", or a weight per class (default 1).
    """

    kind: Literal["multiclass"] = "multiclass"
    classes: Texts = ()
    map: Renaming = field(default_factory=dict)
    class_weight: Literal["balanced"] | Weights | None = None
    answer = "list"
    serving_method = "classify"
    has_squared_error = False
