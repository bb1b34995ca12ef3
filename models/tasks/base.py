"""Tasks: what a model predicts. A task names its label; its kind decides loss, head and metrics.

Labels reach a model already encoded (see each class). A row that lacks a task's label holds that
task's missing value, and takes no part in its loss or its metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from models.config import STRICT


def text_of(value: Any) -> Any:
    """A label value as text, as it is compared everywhere: 1.0 is "1", True is "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


def _texts(value: Any) -> Any:
    """One value or a list of them, as a tuple of texts."""
    if isinstance(value, list | tuple):
        return tuple(text_of(v) for v in value)
    return (text_of(value),)


def _text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {text_of(k): text_of(v) for k, v in value.items()}
    return value


Text = Annotated[str, BeforeValidator(text_of)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_texts)]
Weights = Annotated[Mapping[str, float], BeforeValidator(_text_keys)]
Renaming = Annotated[Mapping[str, str], BeforeValidator(_text_keys)]


@dataclass(frozen=True, kw_only=True)
class BinaryTask:
    """Yes or no. Encoded label: float32 [batch], 1.0, 0.0, or NaN for missing.

    label: the column that holds it. positive: label values that mean yes; every other value present
        means no.
    weight: of the task beside others.
    class_weight: "balanced", or weights under "negative" and "positive".
    """

    __pydantic_config__ = STRICT
    kind: Literal["binary"] = "binary"
    name: str = ""
    label: str
    positive: Texts = ("1", "true")
    weight: Annotated[float, Field(gt=0)] = 1.0
    class_weight: Literal["balanced"] | Weights | None = None


@dataclass(frozen=True, kw_only=True)
class MulticlassTask:
    """One of several classes. Encoded label: int32 [batch], the class index, or -1 for missing.

    label: the column that holds it. weight: of the task beside others.
    classes: in index order; found in the training split, sorted, when empty.
    map: label value to class, for a class derived from another column; values it lacks are an
        error, so that no label is lost in silence.
    class_weight: "balanced", or a weight by class (others 1).
    """

    __pydantic_config__ = STRICT
    kind: Literal["multiclass"] = "multiclass"
    name: str = ""
    label: str
    classes: Texts = ()
    map: Renaming = field(default_factory=dict)
    weight: Annotated[float, Field(gt=0)] = 1.0
    class_weight: Literal["balanced"] | Weights | None = None


@dataclass(frozen=True, kw_only=True)
class MultilabelTask:
    """Any number of labels. The column holds a list, or text split at `separator`; an empty list
    means none of them. Encoded label: float32 [batch, classes] of 0.0 and 1.0, or a row of NaN.

    label: the column that holds it. weight: of the task beside others.
    classes: in index order; found in the training split, sorted, when empty.
    class_weight: "balanced", or a weight by label (others 1): of the loss where it is there.
    """

    __pydantic_config__ = STRICT
    kind: Literal["multilabel"] = "multilabel"
    name: str = ""
    label: str
    classes: Texts = ()
    separator: str = ","
    weight: Annotated[float, Field(gt=0)] = 1.0
    class_weight: Literal["balanced"] | Weights | None = None


@dataclass(frozen=True, kw_only=True)
class RegressionTask:
    """A number. Encoded label: float32 [batch], in the label's own unit, or NaN for missing.

    The head predicts in that unit too; the loss works on the standardised label, so that tasks in
    different units can share a trunk.

    label: the column that holds it. weight: of the task beside others.
    loss: "mse" or "huber" (on the standardised scale, threshold 1).
    """

    __pydantic_config__ = STRICT
    kind: Literal["regression"] = "regression"
    name: str = ""
    label: str
    weight: Annotated[float, Field(gt=0)] = 1.0
    loss: Literal["mse", "huber"] = "mse"


Task = Annotated[
    BinaryTask | MulticlassTask | MultilabelTask | RegressionTask, Field(discriminator="kind")
]


@dataclass(frozen=True, kw_only=True)
class TaskTarget:
    """A task together with what its training labels say.

    classes: in index order; ("negative", "positive") for binary, empty for regression.
    class_counts: labelled training rows per class (positives per class for multilabel), aligned
        with `classes`; empty for regression.
    labelled: training rows that carry the label.
    mean, deviation: of a regression label over the training split; 0 and 1 otherwise.
    """

    task: Task
    classes: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    labelled: int = 0
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def name(self) -> str:
        """The task's name: also the name of its head, its output and its serving signature."""
        return self.task.name
