"""Label counts per task and pair of tasks: the typed content of a `TaskStatistics` artifact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from components.artifacts import TaskStatistics

FILE = "tasks.json"


@dataclass(frozen=True, kw_only=True)
class LabelBalance:
    """Label counts of one task.

    classes: labelled rows by class, most frequent first. Every label of a multilabel task counts by
        itself. Empty for tasks without classes.
    """

    task: str
    kind: str
    labelled: int
    missing: int
    classes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class CoOccurrence:
    """Labels of two tasks together.

    both: rows with labels of both tasks. The other fields describe these rows.
    counts: rows by class of `a` and class of `b`, most frequent first. A set of labels counts as
        one class, and any number as `number`.
    association: Cramér's V, from 0 for independent labels to 1 if one label determines the other
        (H. Cramér, Mathematical Methods of Statistics, 1946, section 21.9). None if a task has
        fewer than two classes in these rows, as tasks with numbers always do.
    """

    a: str
    b: str
    both: int
    counts: tuple[tuple[str, str, int], ...] = ()
    association: float | None = None


@dataclass(frozen=True, kw_only=True)
class SplitTasks:
    """Label counts of one split.

    rows: all rows of the split. complete: rows with labels of all tasks.
    pairs: of tasks. If there are too many combinations of labels to count, `pairs` is empty and
        `complete` is None.
    """

    name: str
    rows: int
    tasks: tuple[LabelBalance, ...]
    pairs: tuple[CoOccurrence, ...] = ()
    complete: int | None = None


def co_occurrence(a: str, b: str, counts: Mapping[tuple[str, str], int]) -> CoOccurrence:
    """The co-occurrence of two tasks. counts: rows by class of `a` and class of `b`."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return CoOccurrence(
        a=a,
        b=b,
        both=sum(counts.values()),
        counts=tuple((x, y, n) for (x, y), n in ranked),
        association=cramers_v(counts),
    )


def cramers_v(counts: Mapping[tuple[str, str], int]) -> float | None:
    """Cramér's V of a contingency table, without bias correction; None if a side has fewer than two
    values.
    """
    rows: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for (x, y), n in counts.items():
        rows[x] += n
        columns[y] += n
    smaller = min(len(rows), len(columns)) - 1
    if smaller < 1:
        return None
    phi = math.fsum(n * n / (rows[x] * columns[y]) for (x, y), n in counts.items()) - 1
    return math.sqrt(max(phi, 0.0) / smaller)


_SPLITS: TypeAdapter[tuple[SplitTasks, ...]] = TypeAdapter(tuple[SplitTasks, ...])


def load_task_statistics(artifact: TaskStatistics) -> dict[str, SplitTasks]:
    """Statistics by split, and by slice under `<split>: <slice>`."""
    splits = _SPLITS.validate_json((artifact.path / FILE).read_bytes())
    return {split.name: split for split in splits}


def save_task_statistics(splits: tuple[SplitTasks, ...], directory: Path) -> None:
    """Write `tasks.json` into an existing directory."""
    (directory / FILE).write_bytes(_SPLITS.dump_json(splits))
