"""How much evidence an evaluation rests on: rows, rows of the rarest class, and groups of rows.

Metrics of seven positive rows, or of two patients, look like any other metrics. So whatever is
fewer than `FEW` is said wherever the metrics are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.data.lazy import Mask
from components.evaluation.groups import FEW_GROUPS
from components.evaluation.ratios import Drawn

FEW = FEW_GROUPS
"""Rows, rows of a class and groups, below which a warning is given, and no bootstrap interval."""


@dataclass(frozen=True)
class Support:
    """Rows of a class, and how many groups they are in. effective: groups of equal size that would
    tell as much.
    """

    rows: int
    groups: int
    effective: float

    @classmethod
    def of(cls, rows: Mask, drawn: Drawn) -> Support:
        sizes = drawn.weights * rows
        return cls(int(rows.sum()), drawn.groups.holding(rows), drawn.groups.effective(sizes))


def shortages(every: Support, by_class: Mapping[str, Support], grouped: bool) -> Iterator[str]:
    """What there is too little of, to follow "is measured on". every: of all labelled rows.

    by_class: of the classes that the metrics need. grouped: whether rows are in groups.
    """
    rare = {name: s.rows for name, s in by_class.items() if s.rows < FEW}
    if every.rows < FEW:
        yield f"only {every.rows} labelled rows"
    elif rare:
        fewest = sorted(rare.items(), key=lambda item: item[1])
        shown = " and ".join(f"{rows} {name} rows" for name, rows in fewest[:2])
        yield f"only {shown}" + (
            f" ({len(rare)} classes have fewer than {FEW})" if len(rare) > 2 else ""
        )
    if not grouped:
        return
    if every.groups < FEW:
        yield f"only {every.groups} groups of rows"
    elif every.effective < FEW:
        yield (
            f"{every.groups} groups of very unequal size, which tell as much as"
            f" {every.effective:.1f} of equal size"
        )
    for name, s in by_class.items():
        if s.groups < FEW <= min(s.rows, every.groups):
            yield f"only {s.groups} groups with {name} rows"
