"""Labels of multilabel tasks: any number of classes per row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from components.data.casting import texts
from components.data.lazy import np, pa, pc, pd
from components.labels.base import (
    JOINED,
    Classes,
    LabelColumn,
    LabelSample,
    Make,
    Objective,
    Predict,
)
from components.labels.classes import (
    ClassLabels,
    Counts,
    Domain,
    by_value,
    single_texts,
    sorted_classes,
)
from models.tasks.base import TaskTarget
from models.tasks.multilabel import MultilabelTask


@final
class MultilabelLabels(ClassLabels[MultilabelTask]):
    shapes = ("text", "numbers", "lists")

    def classes(self, task: MultilabelTask, column: pa.ChunkedArray) -> Classes:
        return task.classes or sorted_classes(_pairs(task, column)[1].unique().to_pylist())

    def encode(self, task: MultilabelTask, classes: Classes, column: pa.ChunkedArray) -> np.ndarray:
        """float32 [rows, classes]."""
        encoded = np.zeros((len(column), len(classes)), np.float32)
        rows, labels = _pairs(task, column)
        index = {c: i for i, c in enumerate(classes)}
        places = np.array(by_value(labels, lambda v: index.get(v, -1), pa.int64()))
        if (places < 0).any():
            first = int(np.flatnonzero(places < 0)[0])
            raise _domain(task, classes).error(task, labels[first].as_py(), int(rows[first]))
        encoded[rows, places] = 1.0
        encoded[np.array(pc.is_null(column))] = np.nan
        return encoded

    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        return replace(target, class_counts=tuple(int(c) for c in known.sum(axis=0)))

    def rows_by_class(self, task: MultilabelTask, column: LabelColumn) -> Counts:
        return _counts(task, column)

    def class_codes(self, encoded: np.ndarray) -> None:
        return None

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        return [np.where(np.isnan(column), -1, column).astype(np.int64) for column in encoded.T]

    def objectives(self, target: TaskTarget, encoded: np.ndarray) -> Sequence[Objective]:
        columns = encoded.T.astype(np.float64)
        return [Objective(task=target.name, loss="logistic", labels=c) for c in columns]

    def problems(self, task: MultilabelTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        counts = {split: _counts(task, column) for split, column in splits.items()}
        in_train = {label for label, _ in counts["train"]}
        classes = task.classes or sorted_classes(in_train)
        unknown = {s: [(v, n) for v, n in c if v not in classes] for s, c in counts.items()}
        unused = [c for c in classes if c not in in_train]
        sentences = _domain(task, classes).problems(task, unknown, unused)
        if not in_train:
            sentences.append(f"no row of train has any label in column {task.label!r}.")
        return sentences

    def combinations(self, task: MultilabelTask, column: pa.Array) -> pa.Array:
        lists = pa.types.is_list(column.type)

        def joined(value: str) -> str:
            labels = value.split(JOINED) if lists else _split(task, value)
            return JOINED.join(sorted(set(labels) - {""}))

        return by_value(texts(_joined(column) if lists else column), joined, pa.string())

    def members(self, combination: str) -> Sequence[str]:
        return [label for label in combination.split(JOINED) if label]

    def constants(self, known: np.ndarray, classes: int) -> np.ndarray:
        """The share of each label; the k most frequent labels, for every k, which are best for F1;
        the most frequent combination, for exact matches.
        """
        shares = known.mean(axis=0, dtype=np.float64)
        rank = np.argsort(np.argsort(-shares, kind="stable"))
        most_frequent = (rank < np.arange(len(shares) + 1)[:, None]).astype(np.float64)
        combinations, counts = np.unique(known, axis=0, return_counts=True)
        return np.vstack([shares, *most_frequent, combinations[counts.argmax()]])

    def drawn(self, answers: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        return np.asarray(uniform < answers, np.float32)

    def fit(self, make: Make, features: pd.DataFrame, labels: np.ndarray, classes: int) -> Predict:
        """A model for each label."""
        models = [self.fit_codes(make, features, codes, 2) for codes in self.probes(labels)]
        return lambda rows: np.stack([predict(rows)[:, 1] for predict in models], axis=1)

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        if sample.separator:
            return {"separator": sample.separator}
        return {} if sample.shape == "lists" else None


def _domain(task: MultilabelTask, classes: Classes) -> Domain:
    return Domain(classes, "classes" if task.classes else None)


def _split(task: MultilabelTask, value: str) -> list[str]:
    """The labels in a text such as "cat, dog"."""
    return [label for part in value.split(task.separator) if (label := part.strip())]


def _counts(task: MultilabelTask, column: LabelColumn) -> list[tuple[str, int]]:
    """Rows by single label."""
    if column.shape == "lists":
        return list(column.counts)
    counts: Counter[str] = Counter()
    for value, count in column.counts:
        for label in _split(task, value):
            counts[label] += count
    return list(counts.items())


def _pairs(task: MultilabelTask, column: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Row and text of every label in a column."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(array.type):
        array = pc.split_pattern(single_texts(task, array), task.separator)
    rows = pc.list_parent_indices(array)
    labels = texts(pc.list_flatten(array))
    if not pa.types.is_list(column.type):
        labels = pc.utf8_trim_whitespace(labels)
    keep = pc.and_(pc.is_valid(labels), pc.not_equal(labels, ""))
    return rows.filter(keep).to_numpy(), labels.filter(keep)


def _joined(lists: pa.Array) -> pa.Array:
    """The values of each list as one text, without nulls; null for no list."""
    values, rows = texts(pc.list_flatten(lists)), np.asarray(pc.list_parent_indices(lists))
    valid = np.asarray(values.is_valid())
    lengths = np.bincount(rows[valid], minlength=len(lists))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    kept = pa.ListArray.from_arrays(offsets, values.drop_null())
    return pc.if_else(lists.is_valid(), pc.binary_join(kept, JOINED), pa.scalar(None, pa.string()))
