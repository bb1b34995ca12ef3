"""`statistics.html`: every column, with its splits beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from components.charts import COLOURS, Plot, Point, Series, plot
from components.data.thumbnails import Picture
from components.statistics import column_statistics as columns
from components.statistics.distances import jensen_shannon, l_infinity
from serving.pages import policy, render

MAX_BARS = 12
CHART_HEIGHT = 190
SPARSEST_IDS = 1.25
"""Whole numbers that are all different are numbers of rows, if their range has at most this many
values for each row.
"""
_BOOLEANS = {"false": 0.0, "true": 1.0}
SCRIPT = Path(__file__).with_suffix(".js")


@dataclass(frozen=True)
class Value:
    """A value with its share of the rows, and its rows, in each split that is drawn."""

    text: str
    shares: Sequence[float]
    rows: Sequence[int]


@dataclass(frozen=True)
class Section:
    """A column.

    missing: share of the rows of the first split. difference: of the first split and that split
    which differs most. figures: each with its value in all splits. left_out: how many values are
    not in `values`. is_id: there is nothing to draw.
    """

    name: str
    kind: str
    type: str
    missing: float
    difference: float
    figures: Sequence[tuple[str, Sequence[str]]]
    values: Sequence[Value]
    left_out: int
    density: Plot | None
    pictures: Sequence[Picture]
    is_id: bool


@dataclass(frozen=True)
class StatisticsPage:
    """splits: names with rows. drawn: splits in charts; slices of splits are in tables only."""

    splits: Sequence[tuple[str, int]]
    drawn: Sequence[str]
    sections: Sequence[Section]
    title: str = "Statistics"

    @property
    def script(self) -> str:
        return SCRIPT.read_text(encoding="utf-8")

    @property
    def policy(self) -> str:
        return policy(self.script)


def page(
    splits: Sequence[columns.SplitStatistics], pictures: Mapping[str, Sequence[Picture]]
) -> str:
    """The page as HTML. pictures: some of each column of images."""
    drawn = [split for split in splits if ": " not in split.name][:COLOURS]
    sections = [
        _section(
            [split.columns[name] for split in splits],
            {split.name: split.columns[name] for split in drawn},
            pictures.get(name, ()),
        )
        for name in splits[0].columns
    ]
    rows = [(split.name, split.rows) for split in splits]
    return render(__name__, StatisticsPage(rows, [split.name for split in drawn], sections))


def _section(
    everywhere: Sequence[columns.ColumnStatistics],
    drawn: Mapping[str, columns.ColumnStatistics],
    pictures: Sequence[Picture],
) -> Section:
    """everywhere: the column in all splits."""
    first, *others = everywhere
    figures = [("missing", [_missing(column) for column in everywhere])]
    by_name = [dict(_figures(column)) for column in everywhere]
    names = dict.fromkeys(name for found in by_name for name in found)
    figures += [(name, [found.get(name, "") for found in by_name]) for name in names]
    is_id = _is_id(list(drawn.values()))
    differences = [None if is_id else _difference(first, other) for other in others]
    if any(d is not None for d in differences):
        figures.append(
            ("difference", ["", *("" if d is None else f"{d:.3f}" for d in differences)])
        )
    values = [] if is_id else _values(list(drawn.values()))
    return Section(
        name=first.name,
        kind=first.kind,
        type=first.type,
        missing=first.missing / ((first.present + first.missing) or 1),
        difference=max((d for d in differences if d is not None), default=0.0),
        figures=figures,
        values=values[:MAX_BARS],
        left_out=len(values[MAX_BARS:]),
        density=None if is_id or values else _density(drawn),
        pictures=[picture for picture in pictures if picture.src],
        is_id=is_id,
    )


def _figures(column: columns.ColumnStatistics) -> Iterator[tuple[str, str]]:
    """The figures of a column in one split, as texts."""
    match column:
        case columns.NumericColumn():
            for name in ("mean", "deviation", "minimum", "maximum"):
                yield name, f"{getattr(column, name):.5g}"
            yield "median", f"{column.deciles[5]:.5g}" if column.deciles else ""
            yield "zeros", f"{column.zeros:,}"
            yield "infinite", f"{column.infinite:,}"
        case columns.StringColumn():
            yield "distinct", _distinct(column.values)
            yield "characters", _range(column.characters)
        case columns.TextColumn():
            yield "distinct (estimate)", f"{column.distinct:,}"
            yield "characters", _range(column.characters)
            yield "words", _range(column.words)
        case columns.ListColumn():
            yield "lengths", _range(column.lengths)
            yield "empty", f"{column.empty:,}"
            yield "distinct values", _distinct(column.values)
        case columns.ImageColumn():
            yield from _image_figures(column)
        case columns.BytesColumn():
            yield "bytes", _range(column.sizes)


def _image_figures(column: columns.ImageColumn) -> Iterator[tuple[str, str]]:
    yield "height", _range(column.heights)
    yield "width", _range(column.widths)
    for name, values in (("formats", column.formats), ("modes", column.modes)):
        yield name, ", ".join(f"{value}: {count:,}" for value, count in values.counts)
    levels = list(zip(column.channel_means, column.channel_deviations, strict=True))
    names = ("grey",) if len(set(levels)) == 1 else ("red", "green", "blue")
    for name, (mean, deviation) in zip(names, levels, strict=False):
        yield name, f"{mean:.1f} ± {deviation:.1f}"
    if column.unreadable:
        yield "unreadable", f"{column.unreadable:,}"


def _missing(column: columns.ColumnStatistics) -> str:
    share = column.missing / ((column.present + column.missing) or 1)
    return f"{column.missing:,} ({share:.1%})" if column.missing else "0"


def _distinct(values: columns.ValueCounts) -> str:
    return "very many" if values.truncated else f"{len(values.counts):,}"


def _range(sizes: columns.Range) -> str:
    if sizes.minimum == sizes.maximum:
        return f"{sizes.minimum:g}"
    return f"{sizes.minimum:g} to {sizes.maximum:g}, mean {sizes.mean:.4g}"


def _difference(a: columns.ColumnStatistics, b: columns.ColumnStatistics) -> float | None:
    """How far two splits are apart, as the ExampleValidator measures drift; 0: alike, 1: disjoint.

    None where that has no meaning.
    """
    if isinstance(a, columns.NumericColumn) and isinstance(b, columns.NumericColumn):
        return jensen_shannon(a.deciles, b.deciles) if a.deciles and b.deciles else None
    if (counts := _counts(a)) and (others := _counts(b)):
        return l_infinity(counts, others)[0]
    return None


def _counts(column: columns.ColumnStatistics) -> dict[str, int]:
    """Rows by value; empty if values are not counted."""
    match column:
        case columns.NumericColumn() | columns.StringColumn() | columns.ListColumn():
            return dict(column.values.counts)
    return {}


def _is_id(splits: Sequence[columns.ColumnStatistics]) -> bool:
    """Whether a column only numbers or names its rows."""
    present = sum(column.present for column in splits)
    distinct = {value for column in splits for value in _counts(column)}
    if present <= MAX_BARS or len(distinct) < present:
        return False
    numeric = [column for column in splits if isinstance(column, columns.NumericColumn)]
    if not numeric:
        return all(isinstance(column, columns.StringColumn) for column in splits)
    used = [column for column in numeric if column.present]
    span = 1 + max(c.maximum for c in used) - min(c.minimum for c in used)
    return all("int" in c.type for c in used) and span <= SPARSEST_IDS * present


def _values(splits: Sequence[columns.ColumnStatistics]) -> list[Value]:
    """The values to draw, most frequent first; few numbers in their order, many not at all."""
    counts = [_counts(column) for column in splits]
    rows_of = {v: [c.get(v, 0) for c in counts] for v in {v for c in counts for v in c}}
    texts = sorted(rows_of, key=lambda v: (-sum(rows_of[v]), v))
    if any(isinstance(column, columns.NumericColumn) for column in splits):
        if len(texts) > MAX_BARS:
            return []
        texts.sort(key=lambda v: _BOOLEANS[v] if v in _BOOLEANS else float(v))
    totals = [max(column.present, 1) for column in splits]
    return [
        Value(v, [r / t for r, t in zip(rows_of[v], totals, strict=True)], rows_of[v])
        for v in texts
    ]


def _density(splits: Mapping[str, columns.ColumnStatistics]) -> Plot | None:
    """A step for each tenth of the rows: all steps have the same area. Density 1: as if all numbers
    were equally frequent between the smallest and the largest one of all splits.
    """
    numbers = {
        name: column.deciles
        for name, column in splits.items()
        if isinstance(column, columns.NumericColumn) and column.deciles
    }
    if not numbers:
        return None
    span = max(n[-1] for n in numbers.values()) - min(n[0] for n in numbers.values()) or 1.0
    series = []
    for name, deciles in numbers.items():
        steps = [(low, max(high - low, span / 200)) for low, high in pairwise(deciles)]
        corners = [Point(x, 0.1 * span / w) for low, w in steps for x in (low, low + w)]
        ends = Point(corners[0].x, 0.0), Point(corners[-1].x, 0.0)
        series.append(Series(name, (ends[0], *corners, ends[1])))
    return plot(series, "value", "density", height=CHART_HEIGHT)
