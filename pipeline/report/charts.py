"""Charts as SVG text: no script, no network, colours from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 40
COLOURS = 8
"""Classes `c0` to `c7` of the style sheet."""


@dataclass(frozen=True)
class Point:
    """low, high: of its interval."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """Points under a name."""

    name: str
    points: tuple[Point, ...]
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """From values to pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        low, high, v = (
            (math.log10(x) for x in (self.low, self.high, value))
            if self.log
            else (self.low, self.high, value)
        )
        return self.start + (v - low) / ((high - low) or 1) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values within."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            steps = (1, 2, 5) if last - first <= 3 else (1,)
            found = [m * 10.0**e for e in range(first, last + 1) for m in steps]
        else:
            raw = (self.high - self.low) / 5 or 1
            power = 10.0 ** math.floor(math.log10(raw))
            step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
            start = math.ceil(self.low / step - 1e-9)
            found = [i * step for i in range(start, math.floor(self.high / step + 1e-9) + 1)]
        return [t for t in found if self.low * (1 - 1e-9) <= t <= self.high * (1 + 1e-9)] or [
            self.low
        ]


def plot(
    series: Sequence[Series], x_label: str, y_label: str, log_x: bool = False, joined: bool = True
) -> str:
    """Lines with intervals over a common axis, or points alone."""
    points = [p for s in series for p in s.points if math.isfinite(p.x) and math.isfinite(p.y)]
    if not points:
        return ""
    xs = [p.x for p in points]
    ys = [v for p in points for v in (p.y, p.low, p.high) if v is not None and math.isfinite(v)]
    x = Axis(*_wide(xs, log_x), LEFT, WIDTH - RIGHT, log_x)
    y = Axis(*_wide(ys, False), HEIGHT - BOTTOM, TOP)
    parts = [_frame(x, y, x_label, y_label)]
    for i, s in enumerate(series):
        there = [p for p in s.points if math.isfinite(p.x) and math.isfinite(p.y)]
        parts.append(_drawn(s, there, i % COLOURS, x, y, joined))
    return f"<figure>{_svg(WIDTH, HEIGHT, ''.join(parts))}{_legend(series)}</figure>"


@dataclass(frozen=True)
class Bar:
    """A difference with its interval. kind: a class of the style sheet."""

    name: str
    value: float
    low: float
    high: float
    kind: str


def forest(bars: Sequence[Bar], margin: float, x_label: str) -> str:
    """Differences with intervals, one below the other; the band is within the margin."""
    if not bars:
        return ""
    height = TOP + 26 * len(bars) + BOTTOM
    ends = [v for b in bars for v in (b.value, b.low, b.high) if math.isfinite(v)]
    x = Axis(*_wide([*ends, -margin, margin], False), 150, WIDTH - RIGHT)
    bottom = height - BOTTOM
    band = (
        f'<rect class="band" x="{x(-margin):.1f}" y="{TOP}" height="{bottom - TOP}"'
        f' width="{x(margin) - x(-margin):.1f}"/>'
        f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP}" y2="{bottom}"/>'
    )
    rows = []
    for i, b in enumerate(bars):
        y = TOP + 26 * i + 13
        low, high = (min(max(v, x.low), x.high) for v in (b.low, b.high))
        rows.append(
            f'<g class="{b.kind}"><text class="name" x="142" y="{y + 4}">{escape(b.name)}</text>'
            f'<line class="interval" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{x(b.value):.1f}" cy="{y}" r="4"/>'
            f"<title>{escape(b.name)}: {b.value:+.4f} ({b.low:+.4f} to {b.high:+.4f})</title></g>"
        )
    axis = "".join(_tick_x(x, t, bottom) for t in x.ticks()) + _label(
        x_label, (x.start + x.end) / 2, height - 6
    )
    return f"<figure>{_svg(WIDTH, height, band + axis + ''.join(rows))}</figure>"


def heat_map(names: Sequence[str], values: Sequence[Sequence[float]], told: str) -> str:
    """A square of values: rows act on columns. Blue is above zero, red below."""
    cell, margin, size = 46, 110, len(names)
    largest = max((abs(v) for row in values for v in row if math.isfinite(v)), default=1) or 1
    parts = []
    for i, row in enumerate(values):
        y = margin + i * cell
        name = escape(names[i])
        parts.append(f'<text class="name" x="{margin - 8}" y="{y + cell / 2 + 4}">{name}</text>')
        parts.append(
            f'<text class="tick" transform="translate({margin + i * cell + cell / 2 + 4},'
            f'{margin - 8}) rotate(-60)">{name}</text>'
        )
        for j, value in enumerate(row):
            if not math.isfinite(value):
                continue
            kind = "good" if value > 0 else "bad"
            x, shade = margin + j * cell, abs(value) / largest
            parts.append(
                f'<rect class="{kind}" x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}"'
                f' fill-opacity="{0.08 + 0.75 * shade:.2f}"/>'
                f'<text class="cell" x="{x + cell / 2 - 1}" y="{y + cell / 2 + 4}">{value:.2g}'
                f"</text><title>{name} on {escape(names[j])}: {value:.4g}</title>"
            )
    side = margin + size * cell
    return (
        f"<figure>{_svg(side, side, ''.join(parts))}<figcaption>{escape(told)}</figcaption>"
        "</figure>"
    )


def _svg(width: float, height: float, inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img">{inside}</svg>'
    )


def _wide(values: Sequence[float], log: bool) -> tuple[float, float]:
    """The range of values, with some air."""
    low, high = min(values), max(values)
    if log:
        return (low / 1.15, high * 1.15) if low > 0 else (max(high / 1e3, 1e-9), max(high, 1e-6))
    air = (high - low) * 0.06 or abs(high) * 0.05 or 0.5
    return low - air, high + air


def _frame(x: Axis, y: Axis, x_label: str, y_label: str) -> str:
    lines = "".join(_tick_x(x, t, HEIGHT - BOTTOM) for t in x.ticks())
    for tick in y.ticks():
        at = y(tick)
        lines += (
            f'<line class="grid" x1="{LEFT}" x2="{x.end}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_short(tick)}'
            "</text>"
        )
    turned = f'<text class="label" transform="translate(12,{HEIGHT / 2 - 10}) rotate(-90)">'
    return (
        lines
        + _label(x_label, (LEFT + x.end) / 2, HEIGHT - 6)
        + f"{turned}{escape(y_label)}</text>"
    )


def _tick_x(x: Axis, tick: float, bottom: float) -> str:
    at = x(tick)
    return (
        f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>'
        f'<text class="tick" x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{_short(tick)}'
        "</text>"
    )


def _label(text: str, x: float, y: float) -> str:
    return f'<text class="label" x="{x:.1f}" y="{y}">{escape(text)}</text>'


def _drawn(
    s: Series,
    points: Sequence[Point],
    colour: int,
    x: Callable[[float], float],
    y: Callable[[float], float],
    joined: bool,
) -> str:
    path = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in points)
    dashed = ' stroke-dasharray="5 4"' if s.dashed else ""
    line = f'<polyline points="{path}"{dashed}/>' if joined and len(points) > 1 else ""
    marks = []
    for p in points:
        if p.low is not None and p.high is not None:
            marks.append(
                f'<line class="interval" x1="{x(p.x):.1f}" x2="{x(p.x):.1f}" y1="{y(p.low):.1f}"'
                f' y2="{y(p.high):.1f}"/>'
            )
        if len(points) <= 12:
            marks.append(f'<circle cx="{x(p.x):.1f}" cy="{y(p.y):.1f}" r="3.5"/>')
    return f'<g class="c{colour}">{line}{"".join(marks)}<title>{escape(s.name)}</title></g>'


def _legend(series: Sequence[Series]) -> str:
    items = "".join(
        f'<span class="c{i % COLOURS}"><i></i>{escape(s.name)}</span>' for i, s in enumerate(series)
    )
    return f'<figcaption class="legend">{items}</figcaption>'


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
