"""`tasks.html`: the labels of every task, and which labels come together, as one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from components.labels.label_statistics import CoOccurrence, LabelBalance, SplitTasks
from components.pages import STYLE, bars

MOST_SHOWN = 12


def page(splits: Sequence[SplitTasks]) -> str:
    """The page."""
    lines = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8"><title>Tasks</title>',
        f"<style>{STYLE}</style>",
        "<h1>Tasks</h1>",
    ]
    for split in splits:
        lines.append(f"<section><h2>{escape(split.name)}: {split.rows:,} rows</h2>")
        lines.append('<div class="splits">')
        for balance in split.tasks:
            lines += _balance(balance, split.rows)
        lines.append("</div>")
        lines += _pairs(split)
        lines.append("</section>")
    return "\n".join([*lines, "</html>"])


def _balance(balance: LabelBalance, rows: int) -> Iterator[str]:
    share = balance.missing / rows if rows else 0.0
    yield f'<div><h3>{escape(balance.task)} <small class="faint">{balance.kind}</small></h3>'
    yield f"<p>{balance.labelled:,} labels; missing: {balance.missing:,} ({share:.1%})</p>"
    if balance.classes:
        yield from bars(balance.classes[:MOST_SHOWN])
    if (more := len(balance.classes) - MOST_SHOWN) > 0:
        yield f'<p class="faint">and {more:,} more classes</p>'
    yield "</div>"


def _pairs(split: SplitTasks) -> Iterator[str]:
    if split.complete is None:
        yield "<p>There are too many combinations of labels to count them.</p>"
    elif split.pairs:
        yield f"<p>{split.complete:,} rows carry the labels of all tasks.</p>"
        yield (
            "<p>Cramér's V: 0 where labels are independent, 1 where one follows from the other.</p>"
        )
        yield '<div class="scroll"><table><tr><th>tasks</th><th>rows with both</th>'
        yield "<th>Cramér's V</th><th>most frequent pairs</th></tr>"
        yield from map(_pair, split.pairs)
        yield "</table></div>"


def _pair(pair: CoOccurrence) -> str:
    v = "" if pair.association is None else f"{pair.association:.3f}"
    frequent = "; ".join(f"{a} and {b}: {n:,}" for a, b, n in pair.counts[:4])
    cells = (f"{pair.a} and {pair.b}", f"{pair.both:,}", v, frequent)
    return f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>"
