"""Labels of several tasks counted together: add rows, merge other shards, read the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from components.labels import BINARY, class_of, split_labels
from components.task_statistics import NUMBER, CoOccurrence, LabelBalance, SplitTasks, co_occurrence
from components.texts import texts
from models.task import BinaryTask, MulticlassTask, MultilabelTask, RegressionTask, Task

MAX_COMBINATIONS = 100_000
_JOINED = "\x1f"


class LabelCounts:
    """Exact, and the same in whatever order rows and shards come."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)
        self.rows = 0
        self.alone: list[Counter[str]] = [Counter() for _ in tasks]
        self.together: Counter[tuple[str | None, ...]] | None = Counter()

    def add(self, rows: pa.Table) -> None:
        """Take in rows whose labels have been validated; a column that is not there is missing."""
        self.rows += len(rows)
        names = [str(i) for i in range(len(self.tasks))]
        labels = pa.table([_classes(t, rows) for t in self.tasks], names)
        for name, counter in zip(names, self.alone, strict=True):
            for pair in labels.column(name).drop_null().value_counts().to_pylist():
                counter[pair["values"]] += pair["counts"]
        if self.together is not None:
            counted = labels.group_by(names, use_threads=False).aggregate([([], "count_all")])
            *keys, counts = (counted.column(n).to_pylist() for n in [*names, "count_all"])
            for key, count in zip(zip(*keys, strict=True), counts, strict=True):
                self.together[key] += count
            self._limit()

    def merge(self, other: Self) -> None:
        """Take in what `other` has seen."""
        self.rows += other.rows
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
            tasks=tuple(map(self._balance, self.tasks, self.alone)),
            pairs=self._pairs(together) if together is not None else (),
            complete=complete,
        )

    def _balance(self, task: Task, counts: Counter[str]) -> LabelBalance:
        labelled = counts.total()
        if isinstance(task, MultilabelTask):
            single: Counter[str] = Counter()
            for joined, count in counts.items():
                single.update({label: count for label in joined.split(_JOINED) if label})
            counts = single
        elif isinstance(task, RegressionTask):
            counts = Counter()
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


def _classes(task: Task, rows: pa.Table) -> pa.Array:
    """The class of each row as text, null where it has no label."""
    if task.label not in rows.column_names:
        return pa.nulls(len(rows), pa.string())
    column = rows.column(task.label).combine_chunks()
    if isinstance(task, RegressionTask):
        known = pc.fill_null(pc.invert(pc.is_nan(column.cast(pa.float64()))), False)
        return pc.if_else(known, NUMBER, pa.scalar(None, pa.string()))
    if isinstance(task, MultilabelTask) and pa.types.is_list(column.type):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), _JOINED)
    codes = texts(column).dictionary_encode()
    values = [_class(task, v, rows.schema.field(task.label)) for v in codes.dictionary.to_pylist()]
    return pa.array(values, pa.string()).take(codes.indices)


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
