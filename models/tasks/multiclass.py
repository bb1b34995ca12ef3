"""Multiclass tasks: one of several classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

from models.tasks.base import Task
from models.values import Renaming, Texts, Weights


@final
@dataclass(frozen=True, kw_only=True)
class MulticlassTask(Task):
    """One of several classes. Encoded label: int32 [batch], the class index, or -1 for missing.

    label: the column that holds it. weight: of the task beside others.
    classes: in index order; found in the training split, sorted, when empty.
    map: label value to class, for a class derived from another column; values it lacks are an
        error, so that no label is lost in silence.
    class_weight: "balanced", or a weight by class (others 1).
    """

    kind: Literal["multiclass"] = "multiclass"
    classes: Texts = ()
    map: Renaming = field(default_factory=dict)
    class_weight: Literal["balanced"] | Weights | None = None
    answer = "list"
    serving_method = "classify"
    has_squared_error = False
