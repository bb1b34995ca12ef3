"""Pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } .scroll { overflow-x: auto; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child { text-align: left; }
section { border-top: 1px solid #8888; margin: 1.2rem 0; } .faint { opacity: .65; }
.splits { display: flex; flex-wrap: wrap; gap: 2rem; } .bad { color: #c22; }
svg { width: 20rem; max-width: 100%; } svg rect { fill: #48c; } svg text { fill: currentColor; }
"""


def bars(counts: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Values with their counts, as a chart. counts: at least one."""
    most = max(count for _, count in counts)
    yield f'<svg viewBox="0 0 320 {18 * len(counts)}" role="img">'
    for i, (value, count) in enumerate(counts):
        y = 18 * i
        label = escape(value[:20] + ("…" if len(value) > 20 else ""))
        width = max(110 * count / most, 1)
        yield f'<text x="0" y="{y + 13}" font-size="12">{label}</text>'
        yield f'<rect x="140" y="{y + 3}" width="{width:.1f}" height="12"/>'
        yield f'<text x="{145 + width:.1f}" y="{y + 13}" font-size="12">{count:,}</text>'
    yield "</svg>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    top = "".join(f"<th>{cell}</th>" for cell in head)
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def _chart(
    title: str, x: str, y: str, points: Sequence[Sequence[float]], diagonal: bool = False
) -> str:
    """A line through points of the unit square."""
    line = " ".join(f"{100 * a:.2f},{100 - 100 * b:.2f}" for a, b in points)
    guide = '<path d="M0 100L100 0" stroke="#8888" fill="none"/>' if diagonal or x[0] == "f" else ""
    return (
        f'<figure><svg viewBox="-2 -2 104 104" role="img" aria-label="{title}">'
        '<rect width="100" height="100" fill="none" stroke="#8886"/>'
        f'{guide}<polyline points="{line}" fill="none" stroke="#27c" stroke-width="1.5"/></svg>'
        f"<figcaption>{title}<br><small>{x} across, {y} up</small></figcaption></figure>"
    )
