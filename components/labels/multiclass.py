"""Labels of multiclass tasks: one class per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from components.data.arrow import np, pa, pc
from components.data.casting import texts
from components.labels.base import LabelColumn, Labels, LabelSample, Use
from components.labels.classes import (
    classifier,
    fit_classifier,
    outside_domain,
    single_texts,
    sorted_classes,
    unfit,
    unknown_label,
    without_examples,
)
from models.tasks.base import TaskTarget
from models.tasks.multiclass import MulticlassTask

if TYPE_CHECKING:
    import pandas as pd

    from components.labels.base import Predict

MOST_CLASSES = 100
"""In a column that `rootstock init` guesses to be classes."""
MISSING, UNKNOWN = -1, -2


@final
class MulticlassLabels(Labels[MulticlassTask]):
    def classes(self, task: MulticlassTask, column: pa.ChunkedArray) -> tuple[str, ...]:
        labels = single_texts(task, column)
        return _classes(task, labels.drop_null().unique().to_pylist())

    def encode(
        self,
        task: MulticlassTask,
        classes: tuple[str, ...],
        column: pa.ChunkedArray | None,
        num_rows: int,
    ) -> np.ndarray:
        if column is None:
            return np.full(num_rows, MISSING, np.int32)
        codes = single_texts(task, column).dictionary_encode()
        values = codes.dictionary.to_pylist()
        index = {c: i for i, c in enumerate(classes)}
        places = [index.get(_class_of(task, v) or "", UNKNOWN) for v in values]
        table = np.array([*places, MISSING], np.int32)
        rows = pc.fill_null(codes.indices, len(values)).to_numpy(zero_copy_only=False)
        encoded = np.asarray(table[rows])
        if (encoded == UNKNOWN).any():
            row = int(np.flatnonzero(encoded == UNKNOWN)[0])
            raise unknown_label(task, values[rows[row]], row, *_domain(task, classes))
        return encoded

    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        counts = np.bincount(known, minlength=len(target.classes))
        return replace(target, class_counts=tuple(counts.tolist()))

    def class_codes(self, encoded: np.ndarray) -> np.ndarray:
        return encoded.astype(np.int64)

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        return [self.class_codes(encoded)]

    def unfit(self, task: MulticlassTask, column: LabelColumn) -> str:
        return unfit(task, column, ("text", "numbers"))

    def problems(self, task: MulticlassTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        counts = splits["train"].counts
        classes = _classes(task, [v for v, _ in counts])
        domain, key = _domain(task, classes)
        in_train = {_class_of(task, v) for v, _ in counts}
        sentences = []
        for column in splits.values():
            unknown = [(v, n) for v, n in column.counts if _class_of(task, v) not in classes]
            sentences += outside_domain(task, column.split, unknown, domain, key)
        sentences += without_examples(classes, in_train)
        if len(in_train) == 1 and in_train != {None}:
            sentences.append(
                f"all labels of train in column {task.label!r} mean class {in_train.pop()!r}:"
                " there is nothing to learn."
            )
        return sentences

    def combinations(self, task: MulticlassTask, column: pa.Array) -> pa.Array:
        codes = texts(column).dictionary_encode()
        names = [_class_of(task, v) for v in codes.dictionary.to_pylist()]
        return pa.array(names, pa.string()).take(codes.indices)

    def members(self, combination: str) -> Sequence[str]:
        return (combination,)

    def estimator(self, use: Use, seed: int) -> Any:
        return classifier(use, seed)

    def fit(
        self, make: Callable[[], Any], features: pd.DataFrame, labels: np.ndarray, classes: int
    ) -> Predict:
        return fit_classifier(make, features, self.class_codes(labels), classes)

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """Three or more distinct texts, or three to 20 distinct whole numbers."""
        most = {"text": MOST_CLASSES, "numbers": sample.most_classes}
        fits = 2 < len(sample.counts) <= most.get(sample.shape, 0)
        return {} if fits and not sample.fractions else None


def _classes(task: MulticlassTask, values: Sequence[str]) -> tuple[str, ...]:
    """Those declared, else those that occur in training label values."""
    return task.classes or sorted_classes(task.map.values() if task.map else values)


def _class_of(task: MulticlassTask, value: str) -> str | None:
    """The class that a label value means; None if `map` lacks it."""
    return task.map.get(value) if task.map else value


def _domain(task: MulticlassTask, classes: tuple[str, ...]) -> tuple[Sequence[str], str | None]:
    """The label values that are allowed, and the field that declares them."""
    if task.map:
        return list(task.map), "map"
    return classes, "classes" if task.classes else None
