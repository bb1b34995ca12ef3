"""What kinds of tasks with classes share."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from components.data.casting import texts
from components.data.lazy import np, pa, pd
from components.errors import RootstockError, did_you_mean, listed
from components.labels.base import LabelColumn, Labels, Make, Predict, Shape, T, Use, wrong_type
from models.tasks.base import Task, TaskTarget

SHOWN = 10
FEW_ROWS = 20
"""With fewer rows of a class, hardly anything is learned or measured about it."""
Counts = Sequence[tuple[str, int]]
"""Rows by label value."""


@dataclass(frozen=True)
class Domain:
    """The label values that a task allows.

    key: the task's field that declares them; None if they come from the training split.
    """

    values: Sequence[str]
    key: str | None

    def lacks(self, value: str) -> str:
        """How an error goes on after naming a label value that is not in the domain."""
        shown = ", ".join(self.values[:SHOWN]) + (", …" if len(self.values) > SHOWN else "")
        where = f"the task's `{self.key}`" if self.key else "the classes of the training split"
        return f"is not in {where} ({shown}).{did_you_mean(value, self.values)}"

    def error(self, task: Task, value: str, row: int) -> RootstockError:
        """The error for a row's label that is not in the domain."""
        where = f"tasks.{task.name}: label {value!r} of column {task.label!r}, row {row},"
        return RootstockError(f"{where} {self.lacks(value)}")

    def problems(
        self, task: Task, unknown: Mapping[str, Counts], unused: Sequence[str]
    ) -> list[str]:
        """Sentences about the values outside the domain, by split, and the classes of no training
        row.
        """
        outside = [
            f"column {task.label!r} of {split} holds labels outside the domain: {listed(counts)}."
            f" {counts[0][0]!r} {self.lacks(counts[0][0])}"
            for split, counts in unknown.items()
            if counts
        ]
        expected = "has no examples in train. Expected some, or the class left out."
        return outside + [f"class {name!r} {expected}" for name in unused]


class ClassLabels(Labels[T]):
    """Labels of a kind with classes. shapes: of the columns that can hold them."""

    shapes: ClassVar[tuple[Shape, ...]] = ("text", "numbers")

    def unfit(self, task: T, column: LabelColumn) -> str:
        if column.shape not in self.shapes:
            return wrong_type(task, column.type, " or ".join(self.shapes))
        holds = f"label column {task.label!r} holds {column.type} values"
        too_many = f"{holds}. They have too many distinct values to be classes."
        return too_many if column.truncated else ""

    @abstractmethod
    def rows_by_class(self, task: T, column: LabelColumn) -> Counts:
        """Rows of each class that a column has."""

    def doubts(self, task: T, column: LabelColumn) -> Sequence[str]:
        few = sorted((c for c in self.rows_by_class(task, column) if c[1] < FEW_ROWS), key=_rows)
        if not few:
            return []
        return [
            f"column {task.label!r} of train has fewer than {FEW_ROWS} rows of {listed(few)}."
            " Hardly anything can be learned or measured about so few. Expected more rows, or these"
            " classes merged or left out."
        ]

    def estimator(self, use: Use, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression

        models: Mapping[Use, Make] = {
            "linear": lambda: LogisticRegression(C=10, max_iter=500),
            "boosting": lambda: HistGradientBoostingClassifier(random_state=seed),
        }
        return models[use]()

    def fit_codes(
        self, make: Make, features: pd.DataFrame, codes: np.ndarray, classes: int
    ) -> Predict:
        """Probabilities [rows, classes] from a model of the rows that have a label.

        codes: int64 [rows], -1 for missing.
        """
        from sklearn.dummy import DummyClassifier

        known = codes >= 0
        y = codes[known]
        one_class = len(np.unique(y)) == 1
        model = DummyClassifier(strategy="prior") if one_class else make()
        model.fit(features[known], y)

        def predict(rows: pd.DataFrame) -> np.ndarray:
            probabilities = np.zeros((len(rows), classes))
            probabilities[:, model.classes_] = model.predict_proba(rows)
            return probabilities

        return predict


class SingleLabels(ClassLabels[T]):
    """Labels of a kind with one class per row."""

    @abstractmethod
    def class_of(self, task: T, value: str) -> str | None:
        """The class that a label value means; None if it means none."""

    def rows_by_class(self, task: T, column: LabelColumn) -> Counts:
        rows: Counter[str] = Counter()
        for value, count in column.counts:
            if (of_class := self.class_of(task, value)) is not None:
                rows[of_class] += count
        return list(rows.items())

    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        counts = np.bincount(self.class_codes(known), minlength=len(target.classes))
        return replace(target, class_counts=tuple(counts.tolist()))

    def class_codes(self, encoded: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(encoded), -1, encoded).astype(np.int64)

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        return [self.class_codes(encoded)]

    def combinations(self, task: T, column: pa.Array) -> pa.Array:
        return by_value(texts(column), lambda v: self.class_of(task, v), pa.string())

    def members(self, combination: str) -> Sequence[str]:
        return (combination,)

    def fit(self, make: Make, features: pd.DataFrame, labels: np.ndarray, classes: int) -> Predict:
        return self.fit_codes(make, features, self.class_codes(labels), classes)


def _rows(count: tuple[str, int]) -> int:
    return count[1]


def by_value(column: pa.Array, meaning: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    """What each text means. It is computed once for each distinct value; null stays null."""
    codes = column.dictionary_encode()
    return pa.array([meaning(v) for v in codes.dictionary.to_pylist()], kind).take(codes.indices)


def single_texts(task: Task, column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One label per row as text, null for missing.

    Raises:
        RootstockError: the column holds lists or bytes.
    """
    if pa.types.is_list(column.type) or pa.types.is_binary(column.type):
        problem = wrong_type(task, column.type, "one value per row")
        raise RootstockError(f"tasks.{task.name}: {problem}")
    return texts(column)


def sorted_classes(values: Iterable[str]) -> tuple[str, ...]:
    """Distinct class names in order: by number where all are integers, else as text."""
    distinct = set(values)
    if all(re.fullmatch(r"-?\d+", v) for v in distinct):
        return tuple(sorted(distinct, key=lambda v: (int(v), v)))
    return tuple(sorted(distinct))
