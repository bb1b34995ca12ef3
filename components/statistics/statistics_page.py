"""`statistics.html`: every column of every split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from components.statistics import column_statistics as columns
from serving.pages import render

MAX_BARS = 12


@dataclass(frozen=True)
class Box:
    """A tenth of the rows, in pixels: the boxes of a density have equal areas."""

    x: float
    width: float
    height: float


@dataclass(frozen=True)
class Density:
    """Numbers by density. low, high: the smallest and the largest number."""

    low: float
    high: float
    boxes: Sequence[Box]


@dataclass(frozen=True)
class StatisticsPage:
    splits: Sequence[columns.SplitStatistics]
    title: str = "Statistics"
    most_bars: int = MAX_BARS

    def figures(self, column: columns.ColumnStatistics) -> list[tuple[str, str]]:
        match column:
            case columns.NumericColumn():
                names = ("mean", "deviation", "minimum", "maximum")
                moments = [(n, f"{getattr(column, n):.5g}") for n in names]
                median = column.deciles[5] if column.deciles else 0.0
                counts = [("zeros", f"{column.zeros:,}"), ("infinite", f"{column.infinite:,}")]
                return [*moments, ("median", f"{median:.5g}"), *counts]
            case columns.StringColumn():
                characters = _range(column.characters)
                return [("distinct", _distinct(column.values)), ("characters", characters)]
            case columns.TextColumn():
                sizes = [("characters", _range(column.characters)), ("words", _range(column.words))]
                return [("distinct (estimate)", f"{column.distinct:,}"), *sizes]
            case columns.ListColumn():
                sizes = [("lengths", _range(column.lengths)), ("empty", f"{column.empty:,}")]
                return [*sizes, ("distinct values", _distinct(column.values))]
            case columns.ImageColumn():
                return list(_image_figures(column))
            case columns.BytesColumn():
                return [("bytes", _range(column.sizes))]

    def counts(self, column: columns.ColumnStatistics) -> Sequence[tuple[str, int]]:
        """The values to draw with their rows; none for numbers of many values."""
        if not isinstance(
            column, columns.NumericColumn | columns.StringColumn | columns.ListColumn
        ):
            return ()
        counts = column.values.counts
        return (
            () if isinstance(column, columns.NumericColumn) and len(counts) > MAX_BARS else counts
        )

    def density(self, column: columns.ColumnStatistics) -> Density | None:
        """Boxes between the deciles of numbers."""
        if not isinstance(column, columns.NumericColumn) or not column.deciles:
            return None
        low, high = column.deciles[0], column.deciles[-1]
        span = (high - low) or 1.0
        steps = [(a, max(b - a, span / 320)) for a, b in pairwise(column.deciles)]
        tallest = max(1 / width for _, width in steps)
        boxes = [Box(320 * (x - low) / span, 320 * w / span, 90 / w / tallest) for x, w in steps]
        return Density(low, high, boxes)


def page(splits: Sequence[columns.SplitStatistics]) -> str:
    return render(__name__, StatisticsPage(splits))


def _image_figures(column: columns.ImageColumn) -> Iterator[tuple[str, str]]:
    yield "height", _range(column.heights)
    yield "width", _range(column.widths)
    for name, values in (("formats", column.formats), ("modes", column.modes)):
        yield name, ", ".join(f"{value}: {count:,}" for value, count in values.counts)
    channels = zip("RGB", column.channel_means, column.channel_deviations, strict=False)
    if text := ", ".join(f"{c} {mean:.1f} ± {deviation:.1f}" for c, mean, deviation in channels):
        yield "channels", text
    if column.unreadable:
        yield "unreadable", f"{column.unreadable:,}"


def _distinct(values: columns.ValueCounts) -> str:
    return "very many" if values.truncated else f"{len(values.counts):,}"


def _range(sizes: columns.Range) -> str:
    return f"{sizes.minimum:g} to {sizes.maximum:g}, mean {sizes.mean:.4g}"
