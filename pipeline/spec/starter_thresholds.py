"""The thresholds of a starter spec: better than chance, and not worse than the model served now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.data.lazy import np, pa
from components.evaluation.metrics import family_of

ENOUGH = 40
"""Test rows, rows of each class, and groups that are expected at least. With fewer than 20 there
are no intervals, and a later model would be refused for that."""


def guess_thresholds(
    tasks: Mapping[str, Mapping[str, Any]], table: pa.Table, key: str | None, share: float
) -> list[dict[str, Any]]:
    """Thresholds of tasks whose test rows suffice. A first run has no model to compare with, so the
    changes bind from the second one on; only a significant loss counts.

    share: of the rows that are in the test split.
    """
    if key is not None and len(table.column(key).unique()) * share < ENOUGH:
        return []
    return [
        {"task": name, **threshold}
        for name, task in tasks.items()
        if rarest(table.column(task["label"]), task["kind"]) * share >= ENOUGH
        for threshold in _of_kind(task["kind"])
    ]


def _of_kind(kind: str) -> Iterator[dict[str, Any]]:
    family = family_of(kind)
    if family.by_chance is not None:
        metric, value = family.by_chance
        yield {"metric": metric, "min": value}
    main = family.names[0]
    bound = "max_change" if main in family.lower_is_better else "min_change"
    yield {"metric": main, bound: 0, "meets": "possibly"}


def rarest(column: pa.ChunkedArray, kind: str) -> int:
    """Labelled rows or, of tasks with one class per row, those of the rarest class."""
    known = column.drop_null()
    if kind in ("binary", "multiclass"):
        return int(np.min(known.value_counts().field("counts"), initial=len(known)))
    return len(known)
