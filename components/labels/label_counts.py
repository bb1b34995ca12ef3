"""Label counts of several tasks, and of their combinations. Counts of shards can be merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Self

from components.data.lazy import pa
from components.labels.base import JOINED, labels_of
from components.labels.label_statistics import CoOccurrence, LabelBalance, SplitTasks, co_occurrence
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
        for i, task in enumerate(self.tasks):
            members = labels_of(task).members
            for pair in labels.column(i).drop_null().value_counts().to_pylist():
                self.labelled[i] += pair["counts"]
                self.single[i].update(dict.fromkeys(members(pair["values"]), pair["counts"]))
        if self.together is not None:
            counted = labels.group_by(names, use_threads=False).aggregate([([], "count_all")])
            columns = [counted.column(name).to_pylist() for name in (*names, "count_all")]
            for *key, count in zip(*columns, strict=True):
                self.together[tuple(key)] += count
            self._limit()

    def merge(self, other: Self) -> None:
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
        balances = tuple(
            LabelBalance(
                task=task.name,
                kind=task.kind,
                labelled=labelled,
                missing=self.rows - labelled,
                classes=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
            )
            for task, labelled, counts in zip(self.tasks, self.labelled, self.single, strict=True)
        )
        split = SplitTasks(name=name, rows=self.rows, tasks=balances)
        if self.together is None:
            return split
        complete = sum(n for key, n in self.together.items() if None not in key)
        return replace(split, pairs=self._pairs(self.together), complete=complete)

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
