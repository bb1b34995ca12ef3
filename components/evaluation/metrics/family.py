"""The metrics of one kind of task, as functions of the rows' weights.

Given k weightings of the rows at once, a metric has k values: one weighting of ones gives the plain
value, k Poisson weightings give its bootstrap distribution. Each kind is a class in
`components/evaluation/metrics/<kind>.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from components.data.lazy import Floats, Mask, np
from components.evaluation.metrics.reliability import Bin
from models.discovery import part

DECISION = 0.5
"""Probabilities above it count as positive."""


@dataclass(frozen=True)
class Share:
    """The rows that a metric counts, and among which: both bool [rows]."""

    counted: Mask
    among: Mask

    @classmethod
    def of(cls, counted: Mask, among: Mask | None = None) -> Share:
        """The share of `counted` among all rows, or among some."""
        among = np.ones(len(counted), bool) if among is None else among
        return cls(counted & among, among)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What an evaluation draws of a task. Rows are counted, whatever their weights.

    confusion: rows by true class (first index) and predicted class; empty unless each row has one
        class. reliability: equal-width bins of confidence, without the empty ones.
    roc: (false positive rate, true positive rate). precision_recall: (recall, precision). Both are
        thinned, and empty for tasks other than binary ones.
    """

    confusion: tuple[tuple[int, ...], ...] = ()
    reliability: tuple[Bin, ...] = ()
    roc: tuple[tuple[float, float], ...] = ()
    precision_recall: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Predictions:
    """Rows of a task that carry its label, and what a model answers.

    labels: encoded as `models.tasks.base` states: [rows] or [rows, classes], none missing.
    outputs: [rows, width], all finite. decision: probabilities above it count as positive.
    """

    labels: np.ndarray
    outputs: Floats
    decision: float = DECISION


class Family(ABC):
    """The metrics of one kind of task.

    names: in report order; the first one stands for the task in a summary.
    lower_is_better: the metrics for which a lower value is better.
    relative_margin: the metrics without a fixed scale, such as errors in the label's unit: a
        study's margin is a share of their value.
    has_decision: whether a decision threshold applies: answers are probabilities of independent
        labels.
    reasons: why a metric is undefined, for each metric that can be.
    without_interval: the metrics whose sampling distribution a bootstrap does not estimate: a
        maximum over thresholds and its place, and the calibration error, which resampling makes
        larger.
    """

    names: ClassVar[tuple[str, ...]]
    lower_is_better: ClassVar[frozenset[str]]
    relative_margin: ClassVar[frozenset[str]]
    has_decision: ClassVar[bool]
    reasons: ClassVar[Mapping[str, str]] = {}
    without_interval: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def values(self, rows: Predictions, weights: Floats) -> dict[str, Floats]:
        """By name [k] float64, NaN where undefined. weights: float64 [k, rows], not negative."""

    def shares(self, rows: Predictions) -> dict[str, Share]:
        """The metrics that are a share of rows."""
        return {}

    def pictures(self, rows: Predictions) -> Pictures:
        """Confusion matrix, reliability bins and curves, where the kind has them."""
        return Pictures()


def family_of(kind: str) -> Family:
    return part("components.evaluation.metrics", Family, kind)()


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[tuple[int, ...], ...]:
    """Rows by true class (first index) and predicted class. true, predicted: class codes [rows]."""
    place = true.astype(np.int64) * classes + predicted.astype(np.int64)
    cells = np.bincount(place, minlength=classes * classes).reshape(classes, classes)
    return tuple(tuple(row) for row in cells.tolist())
