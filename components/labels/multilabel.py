"""Labels of multilabel tasks: any number of classes per row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from components.data.arrow import np, pa, pc
from components.data.casting import texts
from components.labels.base import JOINED, LabelColumn, Labels, LabelSample, Use
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
from models.tasks.multilabel import MultilabelTask

if TYPE_CHECKING:
    import pandas as pd

    from components.labels.base import Predict


@final
class MultilabelLabels(Labels[MultilabelTask]):
    def classes(self, task: MultilabelTask, column: pa.ChunkedArray) -> tuple[str, ...]:
        return task.classes or sorted_classes(_pairs(task, column)[1].unique().to_pylist())

    def encode(
        self,
        task: MultilabelTask,
        classes: tuple[str, ...],
        column: pa.ChunkedArray | None,
        num_rows: int,
    ) -> np.ndarray:
        """float32 [num_rows, classes]."""
        if column is None:
            return np.full((num_rows, len(classes)), np.nan, np.float32)
        encoded = np.zeros((num_rows, len(classes)), np.float32)
        rows, labels = _pairs(task, column)
        codes = labels.dictionary_encode()
        index = {c: i for i, c in enumerate(classes)}
        table = np.array([index.get(v, -1) for v in codes.dictionary.to_pylist()], np.int64)
        places = table[codes.indices.to_numpy(zero_copy_only=False)] if len(table) else table
        if (places < 0).any():
            first = int(np.flatnonzero(places < 0)[0])
            key = "classes" if task.classes else None
            raise unknown_label(task, labels[first].as_py(), int(rows[first]), classes, key)
        encoded[rows, places] = 1.0
        encoded[pc.is_null(column).to_numpy(zero_copy_only=False)] = np.nan
        return encoded

    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        return replace(target, class_counts=tuple(int(c) for c in known.sum(axis=0)))

    def class_codes(self, encoded: np.ndarray) -> None:
        return None

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        return [np.where(np.isnan(column), -1, column).astype(np.int64) for column in encoded.T]

    def unfit(self, task: MultilabelTask, column: LabelColumn) -> str:
        return unfit(task, column, ("text", "numbers", "lists"))

    def problems(self, task: MultilabelTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        in_train = {label for label, _ in _counts(task, splits["train"])}
        classes, key = task.classes or sorted_classes(in_train), "classes" if task.classes else None
        sentences = []
        for column in splits.values():
            unknown = [(v, n) for v, n in _counts(task, column) if v not in classes]
            sentences += outside_domain(task, column.split, unknown, classes, key)
        sentences += without_examples(classes, in_train)
        if not in_train:
            sentences.append(f"no row of train has any label in column {task.label!r}.")
        return sentences

    def combinations(self, task: MultilabelTask, column: pa.Array) -> pa.Array:
        lists = pa.types.is_list(column.type)
        codes = texts(_joined(column) if lists else column).dictionary_encode()
        split = (lambda v: v.split(JOINED)) if lists else (lambda v: _split(task, v))
        names = [JOINED.join(sorted(set(split(v)) - {""})) for v in codes.dictionary.to_pylist()]
        return pa.array(names, pa.string()).take(codes.indices)

    def members(self, combination: str) -> Sequence[str]:
        return [label for label in combination.split(JOINED) if label]

    def estimator(self, use: Use, seed: int) -> Any:
        return classifier(use, seed)

    def fit(
        self, make: Callable[[], Any], features: pd.DataFrame, labels: np.ndarray, classes: int
    ) -> Predict:
        """A model for each label."""
        models = [fit_classifier(make, features, codes, 2) for codes in self.probes(labels)]
        return lambda rows: np.stack([predict(rows)[:, 1] for predict in models], axis=1)

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """Lists."""
        return {} if sample.shape == "lists" else None


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
