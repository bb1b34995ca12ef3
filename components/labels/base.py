"""What a kind of task does with its labels. Each kind is a class in `components/labels/<kind>.py`.

`components.labels.encoding` is the way in for most callers: it picks the kind of a task.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from components.data.lazy import np, pa, pd
from models.discovery import part
from models.tasks.base import Task, TaskTarget

T = TypeVar("T", bound=Task)
Classes = tuple[str, ...]
SEPARATORS = (",", ";", "|")
SEVERAL = 0.05
"""Share of the texts with more than one label from which texts look like lists of labels."""
LABEL_WORDS = 3
Shape = Literal["text", "numbers", "lists", "other"]
Use = Literal["linear", "boosting"]
"""What a scikit-learn model is for: wide inputs such as text, or columns."""
Make = Callable[[], Any]
"""Makes an untrained scikit-learn model."""
Predict = Callable[["pd.DataFrame"], "np.ndarray"]
"""Answers [rows, width] to rows of columns, as a head of the task would give them."""


@dataclass(frozen=True, kw_only=True)
class LabelColumn:
    """What the statistics of one split say about a label column.

    type: of the column, as Arrow spells it.
    present: rows with a value. infinite: rows with an infinite number.
    counts: rows by value as text, most frequent first; empty if `truncated`: too many distinct
        values to count.
    minimum, mean, deviation, percentiles: of the finite numbers; 0 for other columns.
    """

    type: str
    shape: Shape
    present: int
    infinite: int = 0
    counts: tuple[tuple[str, int], ...] = ()
    truncated: bool = False
    minimum: float = 0.0
    mean: float = 0.0
    deviation: float = 0.0
    percentiles: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LabelSample:
    """The first rows of a column, from which `rootstock init` guesses a task.

    rows: how many. counts: rows by value as text. fractions: whether some number is not whole.
    """

    shape: Shape
    rows: int
    counts: Mapping[str, int]
    fractions: bool = False

    @cached_property
    def separator(self) -> str:
        """What stands between the labels of a text, if the texts are lists of labels; else empty.

        There are fewer labels than lists of them, lists of different lengths, and labels are short.
        """
        if self.shape != "text":
            return ""
        for separator in SEPARATORS:
            lists = {v: [p.strip() for p in v.split(separator) if p.strip()] for v in self.counts}
            several = sum(self.counts[v] for v, labels in lists.items() if len(labels) > 1)
            labels = {label for labels in lists.values() for label in labels}
            short = all(len(label.split()) <= LABEL_WORDS for label in labels)
            lengths = {len(labels) for labels in lists.values()}
            often = several >= SEVERAL * sum(self.counts.values())
            if often and short and len(lengths) > 1 and len(labels) < len(lists):
                return separator
        return ""

    @property
    def most_classes(self) -> int:
        """How many distinct whole numbers still look like classes rather than amounts."""
        return min(20, self.rows // 5)


Loss = Literal["logistic", "softmax", "squared", "huber", "poisson"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a classical model minimises for one raw output of a task, or for those of a softmax.

    labels: float64 [rows] with NaN for missing: 0 or 1; the class's index; the standardised label;
        the count. They are on the scale of the raw outputs of the task's head: the logit, the
        logits of all classes, the standardised value, the logarithm of the rate.
    units: raw outputs: as many as classes for softmax, else 1.
    """

    task: str
    loss: Loss
    labels: np.ndarray
    units: int = 1

    def known(self) -> np.ndarray:
        """Bool [rows]: whether the label is there."""
        return np.asarray(~np.isnan(self.labels))


class Labels(ABC, Generic[T]):
    """The labels of one kind of task: from a column to arrays, counts, checks and baselines."""

    @abstractmethod
    def classes(self, task: T, column: pa.ChunkedArray) -> Classes:
        """Classes in index order, from the training label column; empty for numbers."""

    @abstractmethod
    def encode(self, task: T, classes: Classes, column: pa.ChunkedArray) -> np.ndarray:
        """Encoded labels.

        Raises:
            RootstockError: a value is not a label of the task; names value and row.
        """

    @abstractmethod
    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        """The target with the class counts, or moments, of encoded labels, none of them missing."""

    @abstractmethod
    def class_codes(self, encoded: np.ndarray) -> np.ndarray | None:
        """int64 [rows]: the class of each row, -1 for missing; None unless a row has one class."""

    @abstractmethod
    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        """The columns [rows] to predict in order to judge a representation.

        int64 class codes with -1 for missing, or float64 numbers with NaN.
        """

    @abstractmethod
    def objectives(self, target: TaskTarget, encoded: np.ndarray) -> Sequence[Objective]:
        """What classical models fit, in the order of the head's raw outputs."""

    @abstractmethod
    def unfit(self, task: T, column: LabelColumn) -> str:
        """Why a column cannot hold the labels of the task; empty if it can."""

    @abstractmethod
    def problems(self, task: T, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        """What is wrong with the labels, one sentence each. `train` has a fitting column."""

    def doubts(self, task: T, column: LabelColumn) -> Sequence[str]:
        """What may be wrong with the fitting labels of train, one sentence each."""
        return ()

    @abstractmethod
    def combinations(self, task: T, column: pa.Array) -> pa.Array:
        """Text [rows] that stands for each row's label when tasks are counted together.

        Null for missing. Labels of one row are joined by `JOINED`. All numbers are `NUMBER`.
        """

    @abstractmethod
    def members(self, combination: str) -> Sequence[str]:
        """The classes in a text from `combinations`; empty for numbers."""

    @abstractmethod
    def constants(self, known: np.ndarray, classes: int) -> np.ndarray:
        """float64 [candidates, width]: answers that are the same for every row, among them the best
        one for each metric of the kind.

        known: encoded labels, none of them missing and at least one. classes: how many the task
            has.
        """

    @abstractmethod
    def drawn(self, answers: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Encoded labels that answers of a model stand for. Classes are drawn by probability.

        answers: [rows, width], as heads answer. uniform: of the same shape, random numbers from 0
            to 1.
        """

    @abstractmethod
    def estimator(self, use: Use, seed: int) -> Any:
        """The scikit-learn model that is a good classical baseline."""

    @abstractmethod
    def fit(self, make: Make, features: pd.DataFrame, labels: np.ndarray, classes: int) -> Predict:
        """Fit models from `make` to the labelled rows.

        labels: encoded. classes: how many the task has.
        """

    @abstractmethod
    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """The task's fields in a starter spec, if a column looks like labels of this kind.

        At most one kind may claim a column. `label` and `kind` are left out.
        """


JOINED = "\x1f"
"""Between the labels of one row."""
NUMBER = "number"
"""What any number counts as where classes are counted."""


def labels_of(task: Task) -> Labels[Any]:
    return of_kind(task.kind)


def of_kind(kind: str) -> Labels[Any]:
    return part("components.labels", Labels, kind)()


def wrong_type(task: Task, actual: object, expected: str) -> str:
    """The sentence about a label column of the wrong type."""
    holds = f"label column {task.label!r} holds {actual} values."
    return f"{holds} Expected {expected} for a {task.kind} task."
