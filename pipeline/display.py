"""Progress: bars with rates and remaining time on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO, TypeVar

from models.masked_url import without_secrets
from pipeline.library_output import LibraryOutput, can_be_kept
from pipeline.report.tables import Table

if TYPE_CHECKING:
    from rich.progress import TaskID

Verbosity = Literal["quiet", "normal", "verbose"]
"""How much a command prints: warnings and what came out; progress too; what libraries say too."""
LINE_EVERY_S = 5.0
MOST_FIGURES = 5
"""Figures of a stage in the closing table."""
BEGINS = 8
"""Characters of a fingerprint in the closing table; a shell completes the rest."""
PIPED = 100
"""Width of the closing table if nobody watches."""


@dataclass(frozen=True)
class StageResult:
    """One row of the closing table.

    seconds: spent by this run, so about 0 if cached. damaged: it was made again for that reason.
    """

    stage: str
    cached: bool
    seconds: float
    figures: tuple[tuple[str, float | int | str], ...]
    path: Path
    damaged: bool = False


class Display(ABC):
    """Shows the progress of stages. Several threads may call it at once."""

    @abstractmethod
    def line(self, text: str) -> None:
        """Print a permanent line."""

    def alert(self, text: str) -> None:
        """Print a line that must be seen, whatever else is shown."""
        self.line(text)

    def warning(self, text: str) -> None:
        """Print a line about what may be wrong with the user's data or spec."""
        self.line(text)

    @abstractmethod
    def progress(self, stage: str, done: int, total: int | None, unit: str, note: str) -> None:
        """Show that a running stage has finished `done` of `total` units."""

    @abstractmethod
    def finished(self, stage: str) -> None:
        """Remove the progress of a stage that has ended."""

    def close(self) -> None:
        return


@dataclass
class LineDisplay(Display):
    """Plain lines; for each stage at most one every `LINE_EVERY_S` seconds, and ever fewer while
    nothing moves.
    """

    out: TextIO = field(default_factory=lambda: sys.stderr)
    _began: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _stuck: dict[str, tuple[object, int]] = field(default_factory=dict)
    """For each stage: what its last line said, and how many lines have said it."""

    def line(self, text: str) -> None:
        print(without_secrets(text), file=self.out, flush=True)

    def progress(self, stage: str, done: int, total: int | None, unit: str, note: str) -> None:
        now = time.monotonic()
        began = self._began.setdefault(stage, now)
        said, lines = self._stuck.get(stage, ((done, note), 0))
        lines = lines if said == (done, note) else 0
        if now - self._last.setdefault(stage, began) < LINE_EVERY_S * 2**lines:
            return
        self._last[stage], self._stuck[stage] = now, ((done, note), lines + 1)
        rate = done / max(now - began, 1e-9)
        amount = f"{done:,}" if total is None else f"{done:,} of {total:,}"
        left = "" if total is None or not done else f", {(total - done) / rate:.0f} s left"
        self.line(f"  {stage}: {amount} {unit}, {rate:,.0f}/s{left}{'  ' + note if note else ''}")

    def finished(self, stage: str) -> None:
        for known in (self._began, self._last, self._stuck):
            known.pop(stage, None)


class WarningsDisplay(LineDisplay):
    """Only what must be seen."""

    def line(self, text: str) -> None: ...

    def alert(self, text: str) -> None:
        super().line(text)

    def warning(self, text: str) -> None:
        super().line(text)

    def progress(self, stage: str, done: int, total: int | None, unit: str, note: str) -> None: ...


class BarDisplay(Display):
    def __init__(self, out: TextIO) -> None:
        from rich import progress
        from rich.console import Console

        self._bars = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description:<18}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[amount]}"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}", style="dim"),
            console=Console(file=out),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}
        self._bars.start()

    def line(self, text: str) -> None:
        shown = without_secrets(text)
        self._bars.console.print(shown, highlight=False, markup=False, soft_wrap=True)

    def progress(self, stage: str, done: int, total: int | None, unit: str, note: str) -> None:
        now = time.monotonic()
        if stage not in self._tasks:
            self._began[stage] = now
            self._tasks[stage] = self._bars.add_task(stage, total=total, amount="", note="")
        rate = done / max(now - self._began[stage], 1e-9)
        amount = f"{done:,}{'' if total is None else f'/{total:,}'} {unit}  {rate:,.0f}/s"
        self._bars.update(self._tasks[stage], completed=done, total=total, amount=amount, note=note)

    def finished(self, stage: str) -> None:
        if (task := self._tasks.pop(stage, None)) is not None:
            self._bars.remove_task(task)

    def close(self) -> None:
        self._bars.stop()


D = TypeVar("D", bound=Display)


def showing(
    store: Path, verbosity: Verbosity = "normal"
) -> contextlib.AbstractContextManager[Display]:
    """The display of a command. What libraries write meanwhile is kept in the store's `logs`."""
    return showing_on(store, verbosity, _display_on)


def showing_lines(store: Path) -> contextlib.AbstractContextManager[Display]:
    """As `showing`, with plain lines also on a terminal, for servers."""
    return showing_on(store, "normal", lambda out, _: LineDisplay(out))


@contextlib.contextmanager
def showing_on(
    store: Path, verbosity: Verbosity, on: Callable[[TextIO, Verbosity], D]
) -> Iterator[D]:
    """As `showing`, with another display. on: makes it for a stream."""
    with contextlib.ExitStack() as stack:
        out = sys.stderr
        kept = LibraryOutput(store) if can_be_kept(out) else None
        if kept is not None:
            stack.callback(kept.close)
            out = kept.out
        shown = on(out, verbosity)
        stack.callback(shown.close)
        if kept is not None:
            kept.show(shown.alert, noise=verbosity == "verbose")
            stack.callback(kept.finish)
        yield shown


def _display_on(out: TextIO, verbosity: Verbosity) -> Display:
    """Bars on a terminal, lines elsewhere."""
    if verbosity == "quiet":
        return WarningsDisplay(out)
    animated = out.isatty() and os.environ.get("TERM") != "dumb"
    return BarDisplay(out) if animated else LineDisplay(out)


def summary(results: Sequence[StageResult], store: Path) -> str:
    """The closing table: stage, time or `cached`, main figures, and where the result is."""
    rows = []
    for r in results:
        figures = ", ".join(f"{name} {_short(value)}" for name, value in r.figures[:MOST_FIGURES])
        if (more := len(r.figures) - MOST_FIGURES) > 0:
            figures += f", and {more} more"
        seconds = "cached" if r.cached else f"{r.seconds:.1f} s"
        seconds += ", made again: was damaged" if r.damaged else ""
        rows.append([r.stage, seconds, figures, r.path.name[:BEGINS]])
    table = Table(["stage", "time", "figures", "result"], rows).text(piped=PIPED)
    return f"{table}\n\nResults: {near(store)}/<stage>/<result>…"


def near(place: Path | str) -> str:
    """A path from the working directory, if it lies there; a URL as it is."""
    here, path = Path.cwd(), Path(place)
    inside = "://" not in str(place) and path.is_relative_to(here)
    return str(path.relative_to(here) if inside else place)


def _short(value: float | int | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}"


class Quiet(Display):
    def line(self, text: str) -> None: ...

    def alert(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def progress(self, stage: str, done: int, total: int | None, unit: str, note: str) -> None: ...

    def finished(self, stage: str) -> None: ...


@dataclass
class WithoutLines(Display):
    """Progress and warnings of many runs on the display of the command that needs them. The lines
    of their stages are left out, and a warning that several runs give is shown once.
    """

    display: Display
    _warned: set[str] = field(default_factory=set)

    def line(self, text: str) -> None: ...

    def alert(self, text: str) -> None:
        self.display.alert(text)

    def warning(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.display.warning(text)

    def progress(self, stage: str, done: int, total: int | None, unit: str, note: str) -> None:
        self.display.progress(stage, done, total, unit, note)

    def finished(self, stage: str) -> None:
        self.display.finished(stage)
