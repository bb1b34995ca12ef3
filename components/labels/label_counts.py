"""Labels of several tasks counted together: add rows, merge other shards, read the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.casting import numbers, texts
from components.labels.encoding import BINARY, class_of, split_labels
from components.labels.label_statistics import (
    NUMBER,
    CoOccurrence,
    LabelBalance,
    SplitTasks,
    co_occurrence,
)
from models.tasks.base import Task
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

MAX_COMBINATIONS = 100_000
_JOINED = "\x1f"


class LabelCounts:
    """Exact, and the same in whatever order rows and shards come."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)
        self.rows = 0
        self.labelled = [0 for _ in tasks]
        self.alone: list[Counter[str]] = [Counter() for _ in tasks]
        self.together: Counter[tuple[str | None, ...]] | None = Counter()

    def add(self, rows: pa.Table) -> None:
        """Take in rows whose labels have been validated; a column that is not there is missing."""
        self.rows += len(rows)
        names = [str(i) for i in range(len(self.tasks))]
        labels = pa.table([_classes(t, rows) for t in self.tasks], names)
        for i, (name, task) in enumerate(zip(names, self.tasks, strict=True)):
            for pair in labels.column(name).drop_null().value_counts().to_pylist():
                self.labelled[i] += pair["counts"]
                for single in _singles(task, pair["values"]):
                    self.alone[i][single] += pair["counts"]
        if self.together is not None:
            counted = labels.group_by(names, use_threads=False).aggregate([([], "count_all")])
            *keys, counts = (counted.column(n).to_pylist() for n in [*names, "count_all"])
            for key, count in zip(zip(*keys, strict=True), counts, strict=True):
                self.together[key] += count
            self._limit()

    def merge(self, other: Self) -> None:
        """Take in what `other` has seen."""
        self.rows += other.rows
        self.labelled = [a + b for a, b in zip(self.labelled, other.labelled, strict=True)]
        for mine, theirs in zip(self.alone, other.alone, strict=True):
            mine.update(theirs)
        if self.together is None or other.together is None:
            self.together = None
        else:
            self.together.update(other.together)
            self._limit()

    def result(self, name: str) -> SplitTasks:
        """name: of the split."""
        together = self.together
        complete = None
        if together is not None:
            complete = sum(n for key, n in together.items() if None not in key)
        return SplitTasks(
            name=name,
            rows=self.rows,
            tasks=tuple(map(self._balance, self.tasks, self.labelled, self.alone)),
            pairs=self._pairs(together) if together is not None else (),
            complete=complete,
        )

    def _balance(self, task: Task, labelled: int, counts: Counter[str]) -> LabelBalance:
        return LabelBalance(
            task=task.name,
            kind=task.kind,
            labelled=labelled,
            missing=self.rows - labelled,
            classes=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        )

    def _pairs(self, together: Counter[tuple[str | None, ...]]) -> tuple[CoOccurrence, ...]:
        found = []
        for i, j in combinations(range(len(self.tasks)), 2):
            counts: Counter[tuple[str, str]] = Counter()
            for key, count in together.items():
                a, b = key[i], key[j]
                if a is not None and b is not None:
                    counts[a.replace(_JOINED, ", "), b.replace(_JOINED, ", ")] += count
            found.append(co_occurrence(self.tasks[i].name, self.tasks[j].name, counts))
        return tuple(found)

    def _limit(self) -> None:
        if self.together is not None and len(self.together) > MAX_COMBINATIONS:
            self.together = None


def _singles(task: Task, found: str) -> Sequence[str]:
    """The classes in what `_classes` finds in a row."""
    if isinstance(task, MultilabelTask):
        return [label for label in found.split(_JOINED) if label]
    return () if isinstance(task, RegressionTask) else (found,)


def _classes(task: Task, rows: pa.Table) -> pa.Array:
    """The class of each row as text, null where it has no label."""
    if task.label not in rows.column_names:
        return pa.nulls(len(rows), pa.string())
    column = rows.column(task.label).combine_chunks()
    if isinstance(task, RegressionTask):
        return pc.if_else(
            pa.array(~np.isnan(numbers(column))), NUMBER, pa.scalar(None, pa.string())
        )
    if isinstance(task, MultilabelTask) and pa.types.is_list(column.type):
        column = _joined(column)
    codes = texts(column).dictionary_encode()
    values = [_class(task, v, rows.schema.field(task.label)) for v in codes.dictionary.to_pylist()]
    return pa.array(values, pa.string()).take(codes.indices)


def _joined(lists: pa.Array) -> pa.Array:
    """The values of each list as text, those that are not null; null for no list."""
    values, rows = texts(pc.list_flatten(lists)), np.asarray(pc.list_parent_indices(lists))
    there = np.asarray(values.is_valid())
    lengths = np.bincount(rows[there], minlength=len(lists))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    kept = pa.ListArray.from_arrays(offsets, values.drop_null())
    return pc.if_else(lists.is_valid(), pc.binary_join(kept, _JOINED), pa.scalar(None, pa.string()))


def _class(
    task: BinaryTask | MulticlassTask | MultilabelTask, value: str, field: pa.Field
) -> str | None:
    if isinstance(task, BinaryTask):
        return BINARY[value in task.positive]
    if isinstance(task, MulticlassTask):
        return class_of(task, value)
    if pa.types.is_list(field.type):
        return _JOINED.join(sorted({v for v in value.split(_JOINED) if v}))
    return _JOINED.join(sorted(set(split_labels(task, value))))
