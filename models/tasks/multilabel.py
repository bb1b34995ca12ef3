"""Multilabel tasks: any number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.tasks.base import Task
from models.values import Texts, Weights


@final
@dataclass(frozen=True, kw_only=True)
class MultilabelTask(Task):
    """Any number of labels per row. The column holds lists, or text that is split at `separator`;
    an empty list means that no label applies. Encoded label: float32 [batch, classes]: 1.0, 0.0, or
    a row of NaN for missing.

    classes: in index order; if empty, the labels of the training split, sorted.
    class_weight: "balanced", or a weight per label (default 1) for the rows that have it.
    """

    kind: Literal["multilabel"] = "multilabel"
    classes: Texts = ()
    separator: str = ","
    class_weight: Literal["balanced"] | Weights | None = None
    answer = "list"
    serving_method = "classify"
    has_squared_error = False
