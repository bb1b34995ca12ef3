"""`statistics.html`: every column of every split as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from components.pages import STYLE, bars
from components.statistics.column_statistics import (
    BytesColumn,
    ColumnStatistics,
    ImageColumn,
    ListColumn,
    NumericColumn,
    Range,
    SplitStatistics,
    StringColumn,
    TextColumn,
    ValueCounts,
)

MAX_BARS = 12


def page(splits: Sequence[SplitStatistics]) -> str:
    """The page."""
    lines = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8"><title>Statistics</title>',
        f"<style>{STYLE}</style>",
        "<h1>Statistics</h1>",
        "<p>" + ", ".join(f"{s.name}: {s.rows:,} rows" for s in splits) + ".</p>",
    ]
    for name, first in splits[0].columns.items():
        lines.append(
            f'<section><h2>{escape(name)} <small class="faint">{first.kind}, {first.type}</small>'
            '</h2><div class="splits">'
        )
        for split in splits:
            lines += _column(split, split.columns[name])
        lines.append("</div></section>")
    return "\n".join([*lines, "</html>"])


def _column(split: SplitStatistics, column: ColumnStatistics) -> Iterator[str]:
    share = column.missing / split.rows if split.rows else 0.0
    missing = f"{column.missing:,} ({share:.1%})"
    rows = [("missing", f'<b class="bad">{missing}</b>' if column.missing else "0")]
    rows += [(name, escape(value)) for name, value in _figures(column)]
    yield f'<div><h3>{escape(split.name)}</h3><div class="scroll"><table>'
    yield from (f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    yield "</table></div>"
    yield from _chart(column)
    yield "</div>"


def _figures(column: ColumnStatistics) -> list[tuple[str, str]]:
    match column:
        case NumericColumn():
            names = ("mean", "deviation", "minimum", "maximum")
            figures = [(n, f"{getattr(column, n):.5g}") for n in names]
            median = column.deciles[5] if column.deciles else 0.0
            counts = [("zeros", f"{column.zeros:,}"), ("infinite", f"{column.infinite:,}")]
            return [*figures, ("median", f"{median:.5g}"), *counts]
        case StringColumn():
            characters = _range(column.characters)
            return [("distinct", _distinct(column.values)), ("characters", characters)]
        case TextColumn():
            sizes = [("characters", _range(column.characters)), ("words", _range(column.words))]
            return [("distinct, about", f"{column.distinct:,}"), *sizes]
        case ListColumn():
            sizes = [("lengths", _range(column.lengths)), ("empty", f"{column.empty:,}")]
            return [*sizes, ("distinct values", _distinct(column.values))]
        case ImageColumn():
            sizes = [("height", _range(column.heights)), ("width", _range(column.widths))]
            kinds = [("formats", column.formats), ("modes", column.modes)]
            told = [(n, ", ".join(f"{v}: {c:,}" for v, c in k.counts)) for n, k in kinds]
            colours = zip("RGB", column.channel_means, column.channel_deviations, strict=False)
            if found := ", ".join(f"{c} {mean:.1f} ± {dev:.1f}" for c, mean, dev in colours):
                told.append(("channels", found))
            if column.unreadable:
                told.append(("unreadable", f"{column.unreadable:,}"))
            return [*sizes, *told]
        case BytesColumn():
            return [("bytes", _range(column.sizes))]


def _chart(column: ColumnStatistics) -> Iterator[str]:
    """Values by number of rows, or numbers by density between deciles."""
    if isinstance(column, NumericColumn | StringColumn | ListColumn):
        counts = column.values.counts
        if counts and (len(counts) <= MAX_BARS or not isinstance(column, NumericColumn)):
            yield from bars(counts[:MAX_BARS])
            if more := len(counts) - MAX_BARS:
                yield f'<p class="faint">and {more:,} more values</p>' if more > 0 else ""
        elif isinstance(column, NumericColumn) and column.deciles:
            yield from _density(column.deciles)


def _density(quantiles: Sequence[float]) -> Iterator[str]:
    """Boxes of equal area, a tenth of the rows each."""
    low, high = quantiles[0], quantiles[-1]
    span = (high - low) or 1.0
    steps = [(a, max(b - a, span / 320)) for a, b in pairwise(quantiles)]
    tallest = max(1 / width for _, width in steps)
    yield '<svg viewBox="0 0 320 110" role="img">'
    for start, width in steps:
        height = 90 / width / tallest
        x, w = 320 * (start - low) / span, 320 * width / span
        yield f'<rect x="{x:.1f}" y="{90 - height:.1f}" width="{w:.1f}" height="{height:.1f}"/>'
    yield f'<text x="0" y="106" font-size="12">{low:.4g}</text>'
    yield f'<text x="320" y="106" font-size="12" text-anchor="end">{high:.4g}</text></svg>'


def _distinct(values: ValueCounts) -> str:
    return "very many" if values.truncated else f"{len(values.counts):,}"


def _range(sizes: Range) -> str:
    return f"{sizes.minimum:g} to {sizes.maximum:g}, mean {sizes.mean:.4g}"
