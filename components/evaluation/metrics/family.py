"""The metrics of one kind of task, as functions of the rows' weights.

Given k weightings of the rows at once, a metric has k values: one weighting of ones gives the plain
value, k Poisson weightings give its bootstrap distribution. Each kind is a class in
`components/evaluation/metrics/<kind>.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.data.arrow import np
from components.evaluation.metrics.reliability import Bin
from models.discovery import part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

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


class Family(ABC):
    """The metrics of one kind of task."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Of the metrics, in report order; the first one stands for the task in a summary."""

    @property
    @abstractmethod
    def lower_is_better(self) -> frozenset[str]:
        """The metrics for which a lower value is better."""

    @property
    @abstractmethod
    def relative_margin(self) -> frozenset[str]:
        """The metrics without a fixed scale, such as errors in the label's unit: a study's margin
        is a share of their value.
        """

    @property
    @abstractmethod
    def without_interval(self) -> frozenset[str]:
        """The metrics whose sampling distribution a bootstrap does not estimate: a maximum over
        thresholds and its place, and the calibration error, which resampling makes larger.
        """

    @property
    @abstractmethod
    def reasons(self) -> Mapping[str, str]:
        """Why a metric is undefined, for each metric that can be."""

    @property
    @abstractmethod
    def has_decision(self) -> bool:
        """Whether a decision threshold applies: answers are probabilities of independent labels."""

    @abstractmethod
    def values(
        self, labels: np.ndarray, outputs: Floats, weights: Floats, decision: float
    ) -> dict[str, Floats]:
        """By name [k] float64, NaN where undefined.

        labels: [rows] or [rows, classes], none missing. outputs: [rows, width], all finite.
        weights: float64 [k, rows], not negative.
        decision: probabilities above it count as positive.
        """

    @abstractmethod
    def shares(self, labels: np.ndarray, outputs: Floats, decision: float) -> dict[str, Share]:
        """The metrics that are a share of rows."""

    @abstractmethod
    def pictures(self, labels: np.ndarray, outputs: Floats, decision: float) -> Pictures:
        """Confusion matrix, reliability bins and curves, where the kind has them."""


def family_of(kind: str) -> Family:
    """The metrics of a kind of task."""
    return part("components.evaluation.metrics", Family, kind)()


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[tuple[int, ...], ...]:
    """Rows by true class (first index) and predicted class. true, predicted: class codes [rows]."""
    place = true.astype(np.int64) * classes + predicted.astype(np.int64)
    cells = np.bincount(place, minlength=classes * classes).reshape(classes, classes)
    return tuple(tuple(row) for row in cells.tolist())


def clipped(p: Floats) -> Floats:
    """Probabilities with a finite logarithm: float32's epsilon away from 0 and 1."""
    margin = np.finfo(np.float32).eps
    return np.clip(p, margin, 1 - margin)


def mean_of_defined(values: Floats) -> Floats:
    """[k] means over the last axis, without NaN; NaN where all are NaN."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
