"""Where the marks of a chart go; `charts.macros.jinja` draws them as SVG.

No script and no network: colours are those of the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 40
NAMES_WIDTH = 150
ROW_HEIGHT = 26
COLOURS = 8
"""Classes `c0` to `c7` of the style sheet."""
UNIT = 300
"""Size of a chart of the unit square."""
AXIS_STEP = 130
"""Pixels between the axes of parallel coordinates, if there are many."""
LINE = 13
"""Pixels between two lines of text."""
FEW = 5
"""As many different values are all written at an axis of parallel coordinates."""
MOST_MARKED = 12
"""A line with more points than this has no dots on it."""


@dataclass(frozen=True)
class Point:
    """low, high: the ends of its interval. rows: how many it stands for: the area of its dot, and
    written beside it. note: what a reader sees who points at it.
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    rows: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Series:
    """Points under a name. joined: by a line, if those of the chart are."""

    name: str
    points: tuple[Point, ...]
    dashed: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Bar:
    """A difference with its interval. kind: a class of the style sheet."""

    name: str
    value: float
    low: float
    high: float
    kind: str


@dataclass(frozen=True)
class Axis:
    """From values to pixels: `low` is drawn at the pixel `start`, `high` at `end`.

    whole: its values are whole numbers, such as epochs.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        low, high, v = self.low, self.high, value
        if self.log:
            low, high, v = map(math.log10, (low, high, v))
        return self.start + (v - low) / ((high - low) or 1) * (self.end - self.start)

    def ticks(self) -> list[Tick]:
        values = self._powers() if self.log else []
        if len(values) < 2:
            values = self._steps()
        return [Tick(self(v), _short(v)) for v in values or [self.low]]

    def _powers(self) -> list[float]:
        """Of 10; in a short range also twice and five times as much."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        factors = (1, 2, 5) if last - first <= 3 else (1,)
        values = (m * 10.0**e for e in range(first, last + 1) for m in factors)
        return [v for v in values if self.low * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]

    def _steps(self) -> list[float]:
        """About five round values at equal distances."""
        raw = (self.high - self.low) / 5 or 1
        if self.whole:
            raw = max(raw, 1)
        power = 10.0 ** math.floor(math.log10(raw))
        round_ = (1, 2, 5, 10) if self.whole else (1, 2, 2.5, 5, 10)
        step = next(m * power for m in round_ if m * power >= raw * 0.999)
        start, end = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(start, end + 1)]


@dataclass(frozen=True)
class Tick:
    """at: pixel."""

    at: float
    text: str


@dataclass(frozen=True)
class Frame:
    """A chart's size, and the pixels between which its values are drawn."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Dot:
    """A point in pixels, with a text beside it and one for whoever points at it. text_y: where the
    text stands; the text is empty if it would cover another one.
    """

    x: float
    y: float
    radius: float
    text: str
    text_y: float
    note: str


@dataclass(frozen=True)
class Line:
    """A series in pixels. points: (x, y); intervals: (x, low, high)."""

    name: str
    colour: int
    dashed: bool
    joined: bool
    points: Sequence[tuple[float, float]]
    dots: Sequence[Dot]
    intervals: Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Plot:
    """Series over a common x axis. diagonal: whether the line y = x is drawn."""

    frame: Frame
    x_label: str
    y_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    lines: Sequence[Line]
    title: str = ""
    diagonal: bool = False


@dataclass(frozen=True)
class Row:
    """A bar of a forest plot, in pixels."""

    bar: Bar
    y: float
    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Forest:
    """Differences below each other. band: pixels between which a difference does not matter."""

    frame: Frame
    x_label: str
    x_ticks: Sequence[Tick]
    zero: float
    band: tuple[float, float]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Square:
    """A value of a heat map. x, y: its upper left corner. opacity: 0 to 1."""

    row: str
    column: str
    value: float
    x: float
    y: float
    opacity: float


@dataclass(frozen=True)
class HeatMap:
    """A square of values: rows act on columns. cell, margin: pixels."""

    names: Sequence[str]
    caption: str
    squares: Sequence[Square]
    cell: int = 46
    margin: int = 110


@dataclass(frozen=True)
class Coordinate:
    """A vertical axis, and the value of each line on it. Texts stand at equal steps."""

    name: str
    values: Sequence[float | str]
    log: bool = False


@dataclass(frozen=True)
class Upright:
    """An axis of parallel coordinates in pixels."""

    name: str
    x: float
    ticks: Sequence[Tick]


@dataclass(frozen=True)
class Crossing:
    """A line over all axes in pixels. opacity: 0 to 1."""

    points: Sequence[tuple[float, float]]
    opacity: float
    note: str


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates: one axis for each quantity, one line for each observation. The best
    line is the last.
    """

    frame: Frame
    label: str
    axes: Sequence[Upright]
    lines: Sequence[Crossing]


def plot(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    log_x: bool = False,
    joined: bool = True,
    title: str = "",
    height: float = HEIGHT,
) -> Plot | None:
    """Lines, or dots alone unless `joined`, with intervals; None where nothing is finite."""
    finite = [[p for p in s.points if math.isfinite(p.x) and math.isfinite(p.y)] for s in series]
    points = [p for line in finite for p in line]
    if not points:
        return None
    ys = [v for p in points for v in (p.y, p.low, p.high) if v is not None and math.isfinite(v)]
    frame = Frame(WIDTH, height, LEFT, WIDTH - RIGHT, TOP, height - BOTTOM)
    xs = [p.x for p in points]
    whole = all(float(x).is_integer() for x in xs)
    x = Axis(*_padded(xs, log_x), frame.left, frame.right, log_x, whole)
    y = Axis(*_padded(ys), frame.bottom, frame.top)
    lines = [
        _line(replace(s, points=tuple(line)), i, x, y, joined)
        for i, (s, line) in enumerate(zip(series, finite, strict=True))
    ]
    return Plot(frame, x_label, y_label, x.ticks(), y.ticks(), lines, title)


def unit_square(
    series: Series,
    x_label: str,
    y_label: str,
    title: str,
    joined: bool = True,
    diagonal: bool = False,
) -> Plot:
    """Shares against shares: both axes go from 0 to 1."""
    frame = Frame(UNIT, UNIT, LEFT, UNIT - RIGHT, TOP, UNIT - BOTTOM)
    x, y = Axis(0, 1, frame.left, frame.right), Axis(0, 1, frame.bottom, frame.top)
    lines = [_line(series, 0, x, y, joined)]
    return Plot(frame, x_label, y_label, x.ticks(), y.ticks(), lines, title, diagonal)


def _line(series: Series, colour: int, x: Axis, y: Axis, joined: bool) -> Line:
    points = series.points
    most = max((p.rows or 0 for p in points), default=0)
    joined = joined and series.joined
    marked = not joined or len(points) <= MOST_MARKED or most > 0
    return Line(
        name=series.name,
        colour=colour % COLOURS,
        dashed=series.dashed,
        joined=joined and len(points) > 1,
        points=[(x(p.x), y(p.y)) for p in points],
        dots=_dots(points, x, y, most) if marked else [],
        intervals=[
            (x(p.x), y(p.low), y(p.high))
            for p in points
            if p.low is not None and p.high is not None
        ],
    )


def _dots(points: Sequence[Point], x: Axis, y: Axis, most: int) -> list[Dot]:
    dots: list[Dot] = []
    for p in points:
        at, height = x(p.x), y(p.y)
        radius = 3.5 if p.rows is None else 2.5 + 6 * math.sqrt(p.rows / most)
        above = height - radius - 3
        text_y = above if above > y.end + 8 else height + radius + 11
        text = "" if p.rows is None else f"{p.rows:,}"
        if any(d.text and abs(d.x - at) < 26 and abs(d.text_y - text_y) < 12 for d in dots):
            text = ""
        dots.append(Dot(at, height, radius, text, text_y, p.note or f"{p.y:.4g} at {p.x:.4g}"))
    return dots


def forest(bars: Sequence[Bar], margin: float, x_label: str) -> Forest:
    """Differences with intervals, one below the other. bars: at least one."""
    height = TOP + ROW_HEIGHT * len(bars) + BOTTOM
    frame = Frame(WIDTH, height, NAMES_WIDTH, WIDTH - RIGHT, TOP, height - BOTTOM)
    ends = [v for b in bars for v in (b.value, b.low, b.high) if math.isfinite(v)]
    x = Axis(*_padded([*ends, -margin, margin]), frame.left, frame.right)
    rows = []
    for i, b in enumerate(bars):
        low, high = (x(min(max(end, x.low), x.high)) for end in (b.low, b.high))
        rows.append(Row(b, TOP + ROW_HEIGHT * (i + 0.5), x(b.value), low, high))
    return Forest(frame, x_label, x.ticks(), x(0), (x(-margin), x(margin)), rows)


def heat_map(names: Sequence[str], values: Sequence[Sequence[float]], caption: str) -> HeatMap:
    """Values [names, names], rows acting on columns; what is not finite stays empty."""
    largest = max((abs(v) for row in values for v in row if math.isfinite(v)), default=1) or 1
    squares = []
    for i, j in product(range(len(names)), repeat=2):
        if math.isfinite(value := values[i][j]):
            x, y = (HeatMap.margin + place * HeatMap.cell for place in (j, i))
            opacity = 0.08 + 0.75 * abs(value) / largest
            squares.append(Square(names[i], names[j], value, x, y, opacity))
    return HeatMap(names, caption, squares)


def parallel(coordinates: Sequence[Coordinate], notes: Sequence[str], label: str) -> Parallel:
    """Parallel coordinates. The lines are the darker, the larger their value on the last axis.

    coordinates: the last one has numbers. notes: what a reader sees who points at a line.
    """
    width = max(WIDTH, AXIS_STEP * len(coordinates))
    frame = Frame(width, HEIGHT, 12, width - LEFT, TOP + 22, HEIGHT - TOP)
    step = (frame.right - frame.left) / max(len(coordinates) - 1, 1)
    axes, heights = [], []
    for i, coordinate in enumerate(coordinates):
        upright, at = _upright(coordinate, frame.left + i * step, frame)
        axes.append(upright)
        heights.append(at)
    order = sorted(range(len(notes)), key=lambda i: -heights[-1][i])  # low pixels are high values
    lines = [
        Crossing(
            [(axis.x, at[i]) for axis, at in zip(axes, heights, strict=True)],
            0.15 + 0.6 * rank / max(len(order) - 1, 1),
            notes[i],
        )
        for rank, i in enumerate(order)
    ]
    return Parallel(frame, label, axes, lines)


def _upright(coordinate: Coordinate, x: float, frame: Frame) -> tuple[Upright, list[float]]:
    """An axis, and the height of each value on it, in pixels."""
    numbers = [v for v in coordinate.values if not isinstance(v, str)]
    if len(numbers) == len(coordinate.values):
        scale = Axis(*_padded(numbers, coordinate.log), frame.bottom, frame.top, coordinate.log)
        each = [Tick(scale(v), f"{v:.3g}" if v % 1 else _short(v)) for v in sorted(set(numbers))]
        apart = all(low.at - high.at >= LINE for low, high in pairwise(each))
        ticks = each if apart and len(each) <= FEW else scale.ticks()
        return Upright(coordinate.name, x, ticks), [scale(v) for v in numbers]
    texts = sorted(set(map(str, coordinate.values)))
    scale = Axis(-0.5, len(texts) - 0.5, frame.bottom, frame.top)
    heights = {text: scale(i) for i, text in enumerate(texts)}
    ticks = [Tick(height, text) for text, height in heights.items()]
    return Upright(coordinate.name, x, ticks), [heights[str(v)] for v in coordinate.values]


def _padded(values: Sequence[float], log: bool = False) -> tuple[float, float]:
    """The range of values, and a little more at both ends."""
    low, high = min(values), max(values)
    if log:
        return (low / 1.15, high * 1.15) if low > 0 else (max(high / 1e3, 1e-9), max(high, 1e-6))
    padding = (high - low) * 0.06 or abs(high) * 0.05 or 0.5
    return low - padding, high + padding


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
