"""Labels of multiclass tasks: one class per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from components.data.lazy import np, pa
from components.labels.base import Classes, LabelColumn, LabelSample, Objective
from components.labels.classes import Domain, SingleLabels, by_value, single_texts, sorted_classes
from models.tasks.base import TaskTarget
from models.tasks.multiclass import MulticlassTask

MOST_CLASSES = 100
"""In a column that `rootstock init` guesses to be classes."""
MISSING, UNKNOWN = -1, -2


@final
class MulticlassLabels(SingleLabels[MulticlassTask]):
    def class_of(self, task: MulticlassTask, value: str) -> str | None:
        return task.map.get(value) if task.map else value

    def classes(self, task: MulticlassTask, column: pa.ChunkedArray) -> Classes:
        return _classes(task, single_texts(task, column).drop_null().unique().to_pylist())

    def encode(self, task: MulticlassTask, classes: Classes, column: pa.ChunkedArray) -> np.ndarray:
        labels = single_texts(task, column)
        index = {c: i for i, c in enumerate(classes)}
        codes = by_value(
            labels, lambda v: index.get(self.class_of(task, v) or "", UNKNOWN), pa.int32()
        )
        encoded = np.array(codes.fill_null(MISSING))
        if (encoded == UNKNOWN).any():
            row = int(np.flatnonzero(encoded == UNKNOWN)[0])
            raise _domain(task, classes).error(task, labels[row].as_py(), row)
        return encoded

    def constants(self, known: np.ndarray, classes: int) -> np.ndarray:
        """The share of each class."""
        return np.bincount(known, minlength=classes)[None] / len(known)

    def drawn(self, answers: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        up_to = np.cumsum(answers, axis=1)
        return np.asarray((up_to[:, :-1] < uniform[:, :1] * up_to[:, -1:]).sum(axis=1), np.int32)

    def objectives(self, target: TaskTarget, encoded: np.ndarray) -> Sequence[Objective]:
        labels, units = np.where(encoded < 0, np.nan, encoded), len(target.classes)
        return [Objective(task=target.name, loss="softmax", labels=labels, units=units)]

    def problems(self, task: MulticlassTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        counts = splits["train"].counts
        classes = _classes(task, [v for v, _ in counts])
        in_train = {self.class_of(task, v) for v, _ in counts}
        unknown = {
            split: [(v, n) for v, n in column.counts if self.class_of(task, v) not in classes]
            for split, column in splits.items()
        }
        unused = [c for c in classes if c not in in_train]
        sentences = _domain(task, classes).problems(task, unknown, unused)
        if len(in_train) == 1 and in_train != {None}:
            sentences.append(
                f"all labels of train in column {task.label!r} mean class {in_train.pop()!r}:"
                " there is nothing to learn."
            )
        return sentences

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """Three or more distinct texts, or three to 20 distinct whole numbers."""
        most = {"text": MOST_CLASSES, "numbers": sample.most_classes}
        fits = 2 < len(sample.counts) <= most.get(sample.shape, 0)
        return {} if fits and not sample.fractions and not sample.separator else None


def _classes(task: MulticlassTask, values: Sequence[str]) -> Classes:
    """Those declared, else those that occur in training label values."""
    return task.classes or sorted_classes(task.map.values() if task.map else values)


def _domain(task: MulticlassTask, classes: Classes) -> Domain:
    if task.map:
        return Domain(list(task.map), "map")
    return Domain(classes, "classes" if task.classes else None)
