"""Label counts of several tasks, and of their combinations. Counts of shards can be merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Self

import pyarrow as pa

from components.labels.base import JOINED, labels_of
from components.labels.label_statistics import (
    CoOccurrence,
    LabelBalance,
    SplitTasks,
    co_occurrence,
)
from models.tasks.base import Task

MAX_COMBINATIONS = 100_000
"""More distinct combinations of labels are not counted."""


class LabelCounts:
    """Exact counts. The order of rows and shards does not change the result."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)
        self.rows = 0
        self.labelled = [0 for _ in tasks]
        self.single: list[Counter[str]] = [Counter() for _ in tasks]
        self.together: Counter[tuple[str | None, ...]] | None = Counter()

    def add(self, rows: pa.Table) -> None:
        """Count rows with validated labels. Labels of a column that is absent are missing."""
        self.rows += len(rows)
        names = [str(i) for i in range(len(self.tasks))]
        labels = pa.table([_combinations(t, rows) for t in self.tasks], names)
        for i, (name, task) in enumerate(zip(names, self.tasks, strict=True)):
            for pair in labels.column(name).drop_null().value_counts().to_pylist():
                self.labelled[i] += pair["counts"]
                for member in labels_of(task).members(pair["values"]):
                    self.single[i][member] += pair["counts"]
        if self.together is not None:
            counted = labels.group_by(names, use_threads=False).aggregate([([], "count_all")])
            *keys, counts = (counted.column(n).to_pylist() for n in [*names, "count_all"])
            for key, count in zip(zip(*keys, strict=True), counts, strict=True):
                self.together[key] += count
            self._limit()

    def merge(self, other: Self) -> None:
        """Add the counts of other rows."""
        self.rows += other.rows
        self.labelled = [a + b for a, b in zip(self.labelled, other.labelled, strict=True)]
        for mine, theirs in zip(self.single, other.single, strict=True):
            mine.update(theirs)
        if self.together is None or other.together is None:
            self.together = None
        else:
            self.together.update(other.together)
            self._limit()

    def result(self, name: str) -> SplitTasks:
        """The counts as statistics of a split of that name."""
        together = self.together
        complete = None
        if together is not None:
            complete = sum(n for key, n in together.items() if None not in key)
        return SplitTasks(
            name=name,
            rows=self.rows,
            tasks=tuple(map(self._balance, self.tasks, self.labelled, self.single)),
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
        pairs = []
        for i, j in combinations(range(len(self.tasks)), 2):
            counts: Counter[tuple[str, str]] = Counter()
            for key, count in together.items():
                a, b = key[i], key[j]
                if a is not None and b is not None:
                    counts[a.replace(JOINED, ", "), b.replace(JOINED, ", ")] += count
            pairs.append(co_occurrence(self.tasks[i].name, self.tasks[j].name, counts))
        return tuple(pairs)

    def _limit(self) -> None:
        if self.together is not None and len(self.together) > MAX_COMBINATIONS:
            self.together = None


def _combinations(task: Task, rows: pa.Table) -> pa.Array:
    """Text [rows] that stands for the label of each row; null for missing."""
    if task.label not in rows.column_names:
        return pa.nulls(len(rows), pa.string())
    return labels_of(task).combinations(task, rows.column(task.label).combine_chunks())
