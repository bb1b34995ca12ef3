"""The metrics of one kind of task, as functions of the rows' weights.

Given k weightings of the rows at once, a metric has k values: one weighting of ones gives the plain
value, k Poisson weightings give its bootstrap distribution. Each kind is a class in
`components/evaluation/metrics/<kind>.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from components.data.lazy import Floats, Mask, np
from components.evaluation.metrics.reliability import Bin
from models.discovery import part
from models.tasks.base import DECISION, DecisionMetric

Form = Literal["share", "f1", "mean", "root"]
"""How a metric follows from a ratio of sums: it is the ratio, if that is a share of what is
counted; F1 from the share of hits among hits, misses and false alarms; a mean; its square root.
"""


@dataclass(frozen=True, eq=False)
class Ratio:
    """A metric that is a function of one ratio of sums over rows.

    counted: [rows], added up in the numerator. among: [rows], in the denominator.
    """

    counted: Floats
    among: Floats
    form: Form = "share"

    @classmethod
    def of(cls, counted: Mask, among: Mask | None = None, form: Form = "share") -> Ratio:
        """The share of `counted` among all rows, or among some."""
        among = np.ones(len(counted), bool) if among is None else among
        return cls((counted & among).astype(np.float64), among.astype(np.float64), form)

    @classmethod
    def mean(cls, values: Floats, form: Form = "mean") -> Ratio:
        """The mean of the rows' values."""
        return cls(np.asarray(values, np.float64), np.ones(len(values)), form)

    @property
    def is_share(self) -> bool:
        return self.form in ("share", "f1")

    @property
    def binary(self) -> bool:
        """Whether each row is counted once or not at all."""
        return self.is_share and bool(((self.among == 0) | (self.among == 1)).all())

    def sums(self, weights: Floats) -> tuple[float, float]:
        return float(weights @ self.counted), float(weights @ self.among)

    def value(self, weights: Floats) -> float:
        counted, among = self.sums(weights)
        return self.metric(counted / among)

    def metric(self, ratio: float) -> float:
        """The metric at this ratio; it grows with the ratio."""
        if self.form == "f1":
            return 2 * ratio / (1 + ratio)
        return ratio**0.5 if self.form == "root" else ratio

    def influences(self, weights: Floats) -> Floats:
        """[rows]: what one more of a row adds to the metric, to first order."""
        counted, among = self.sums(weights)
        ratio = counted / among
        slope = 2 / (1 + ratio) ** 2 if self.form == "f1" else 1.0
        return np.asarray(slope * (self.counted - ratio * self.among) / among)

    def joined(self, counted: Floats, among: Floats) -> Ratio:
        """With further rows."""
        return Ratio(np.append(self.counted, counted), np.append(self.among, among), self.form)


@dataclass(frozen=True, eq=False)
class Scores:
    """A metric that is an area under a ROC curve. repeats: how many times each row occurs, one
    after another, as a row of several labels does. yes: bool [rows * repeats]. scores: the same.
    """

    yes: Mask
    scores: Floats
    repeats: int = 1


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
    decided_by: the metrics for which another threshold than 0.5 is better although probabilities
        are right, and the name by which it is chosen.
    reasons: why a metric is undefined, for each metric that can be.
    without_interval: the metrics whose sampling distribution a bootstrap does not estimate: a
        maximum over thresholds and its place, and the calibration error, which resampling makes
        larger.
    row_error: the one of `ratios` that says of each row how wrong the answer is.
    by_chance: a metric, and the value of answers that do not depend on the row: higher is better.
        None if that value is not the same for all data.
    rare_rows_decide: whether means of rows, such as the log loss, depend on the rarest class too.
    """

    names: ClassVar[tuple[str, ...]]
    lower_is_better: ClassVar[frozenset[str]]
    relative_margin: ClassVar[frozenset[str]]
    has_decision: ClassVar[bool]
    row_error: ClassVar[str]
    decided_by: ClassVar[Mapping[str, DecisionMetric]] = {}
    reasons: ClassVar[Mapping[str, str]] = {}
    without_interval: ClassVar[frozenset[str]] = frozenset()
    by_chance: ClassVar[tuple[str, float] | None] = None
    rare_rows_decide: ClassVar[bool] = False

    @abstractmethod
    def values(self, rows: Predictions, weights: Floats) -> dict[str, Floats]:
        """By name [k] float64, NaN where undefined. weights: float64 [k, rows], not negative."""

    def ratios(self, rows: Predictions) -> dict[str, Ratio]:
        """The metrics that are functions of one ratio of sums over rows."""
        return {}

    def rankings(self, rows: Predictions) -> dict[str, Scores]:
        """The metrics that are an area under a ROC curve."""
        return {}

    def decisive(self, rows: Predictions, classes: Sequence[str]) -> dict[str, Mask]:
        """The rows of which metrics need enough, by what they are, such as "positive": those of
        each class that occurs, or all rows of kinds without classes.
        """
        return {"labelled": np.ones(len(rows.labels), bool)}

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
