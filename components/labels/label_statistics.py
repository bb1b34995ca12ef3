"""What is known of the labels of every task: the typed content of a `TaskStatistics` artifact."""

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
    """Of one task. classes: labelled rows by class, most first; each label of a multilabel task by
    itself; empty for regression.
    """

    task: str
    kind: str
    labelled: int
    missing: int
    classes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class CoOccurrence:
    """Of two tasks. both: rows that carry labels of both; all below is of these rows.

    counts: rows by class of `a` and class of `b`, most first; a set of labels counts as a class,
        and any number as `number`.
    association: Cramér's V, from 0 for independent labels to 1 where one follows from the other
        (H. Cramér, Mathematical Methods of Statistics, 1946, section 21.9); None where a task has
        fewer than two classes here, and for regression.
    """

    a: str
    b: str
    both: int
    counts: tuple[tuple[str, str, int], ...] = ()
    association: float | None = None


@dataclass(frozen=True, kw_only=True)
class SplitTasks:
    """rows: of the split. complete: rows that carry the labels of all tasks.

    pairs: empty, and `complete` None, where there are too many combinations of labels to count.
    """

    name: str
    rows: int
    tasks: tuple[LabelBalance, ...]
    pairs: tuple[CoOccurrence, ...] = ()
    complete: int | None = None


def co_occurrence(a: str, b: str, counts: Mapping[tuple[str, str], int]) -> CoOccurrence:
    """counts: rows by class of `a` and class of `b`."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return CoOccurrence(
        a=a,
        b=b,
        both=sum(counts.values()),
        counts=tuple((x, y, n) for (x, y), n in ranked),
        association=cramers_v(counts),
    )


def cramers_v(counts: Mapping[tuple[str, str], int]) -> float | None:
    """Cramér's V of a contingency table, without correction for its bias; None where a side has
    fewer than two values.
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
    """By split and, as `<split>: <slice>`, by slice."""
    found = _SPLITS.validate_json((artifact.path / FILE).read_bytes())
    return {split.name: split for split in found}


def save_task_statistics(splits: tuple[SplitTasks, ...], directory: Path) -> None:
    """Write `tasks.json` into an existing directory."""
    (directory / FILE).write_bytes(_SPLITS.dump_json(splits))
