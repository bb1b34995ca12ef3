"""Multilabel tasks: any number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.tasks.base import Task
from models.values import Texts, Weights


@final
@dataclass(frozen=True, kw_only=True)
class MultilabelTask(Task):
    """Any number of labels. The column holds a list, or text split at `separator`; an empty list
    means none of them. Encoded label: float32 [batch, classes] of 0.0 and 1.0, or a row of NaN.

    label: the column that holds it. weight: of the task beside others.
    classes: in index order; found in the training split, sorted, when empty.
    class_weight: "balanced", or a weight by label (others 1): of the loss where it is there.
    """

    kind: Literal["multilabel"] = "multilabel"
    classes: Texts = ()
    separator: str = ","
    class_weight: Literal["balanced"] | Weights | None = None
    answer = "list"
    serving_method = "classify"
    has_squared_error = False
