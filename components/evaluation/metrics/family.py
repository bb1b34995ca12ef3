"""What the metrics of one kind of task have in common: they are functions of the rows' weights.

Given k weightings of the rows at once, a metric has k values: one weighting of ones gives the plain
value, k Poisson weightings give its bootstrap distribution.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from components.data.arrow import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

DECISION = 0.5
"""Probabilities above it count as yes."""


@dataclass(frozen=True)
class Share:
    """Which rows a metric counts, among which: both bool [rows]."""

    counted: Mask
    among: Mask

    @classmethod
    def of(cls, counted: Mask, among: Mask | None = None) -> Share:
        """Among all rows, or some; others are not counted."""
        among = np.ones(len(counted), bool) if among is None else among
        return cls(counted & among, among)


class Family(ABC):
    """The metrics of one kind of task.

    names: in the order of a report; the first one stands for the task in a summary.
    reasons: why a metric is undefined, where it can be.
    lower_is_better: of these.
    without_interval: whose sampling distribution a bootstrap does not estimate: a maximum over
        thresholds and its place, and the calibration error, which resampling makes larger.
    """

    names: ClassVar[tuple[str, ...]]
    reasons: ClassVar[Mapping[str, str]] = {}
    lower_is_better: ClassVar[frozenset[str]] = frozenset()
    without_interval: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def values(
        self, labels: np.ndarray, outputs: Floats, weights: Floats, decision: float
    ) -> dict[str, Floats]:
        """By name [k] float64, NaN where undefined.

        labels: [rows] or [rows, classes], none missing. outputs: [rows, width], all finite.
        weights: float64 [k, rows], not negative. decision: probabilities above it count as yes.
        """

    def shares(self, labels: np.ndarray, outputs: Floats, decision: float) -> dict[str, Share]:
        """The metrics that are a share of rows."""
        return {}

    def labelled(self, labels: np.ndarray) -> Mask:
        """[rows]: which carry the label."""
        return np.asarray(~np.isnan(labels))


def clipped(p: Floats) -> Floats:
    """Probabilities that have a logarithm; the margin is float32's, which heads answer in."""
    margin = np.finfo(np.float32).eps
    return np.clip(p, margin, 1 - margin)


def mean_of_defined(values: Floats) -> Floats:
    """[k] means over the last axis of the values that are defined; NaN where none is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
