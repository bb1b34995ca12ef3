"""Progress of a search: one live table on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from models.masked_url import without_secrets
from pipeline.display import Display, Verbosity

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Step:
    """What is running now. seconds: that it is likely to take; None if unknown. end: of the budget,
    as of `time.monotonic`.
    """

    name: str
    stage: str
    seconds: float | None
    end: float

    def left(self) -> float:
        return max(0.0, self.end - time.monotonic())


class Progress(Display):
    """The display of a search."""

    @abstractmethod
    def began(self, step: Step) -> None:
        """A step has begun. Another one ends it."""

    @abstractmethod
    def ended(self, outcome: str, best: str = "") -> None:
        """The step has ended. best: the best trial so far."""

    def progress(self, stage: str, done: int, total: int | None, unit: str, note: str) -> None:
        """Stages run in another process, which shows nothing."""

    def finished(self, stage: str) -> None:
        return


@dataclass
class Lines(Progress):
    out: TextIO

    def line(self, text: str) -> None:
        print(without_secrets(text), file=self.out, flush=True)

    def began(self, step: Step) -> None:
        expected = "" if step.seconds is None else f", about {step.seconds:.0f} s"
        self.line(f"{step.name}: {step.stage}{expected} ({step.left():.0f} s left in all)")

    def ended(self, outcome: str, best: str = "") -> None:
        self.line(f"  {outcome}")


@dataclass
class LiveTable(Progress):
    """A table of trials that is drawn again and again; it stays when the search is over."""

    out: TextIO
    _finished: list[tuple[Step, str]] = field(default_factory=list)
    _running: Step | None = None
    _began: float = 0.0
    _best: str = ""

    def __post_init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self.out)
        self._live = Live(console=console, get_renderable=self.table, refresh_per_second=2)
        self._live.start()

    def line(self, text: str) -> None:
        shown = without_secrets(text)
        self._live.console.print(shown, highlight=False, markup=False, soft_wrap=True)

    def began(self, step: Step) -> None:
        self._running, self._began = step, time.monotonic()

    def ended(self, outcome: str, best: str = "") -> None:
        if self._running is not None:
            self._finished.append((self._running, outcome))
        self._running, self._best = None, best or self._best

    def close(self) -> None:
        self._running = None
        self._live.stop()

    def table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table("trial", "stage", "result", box=None, title_justify="left")
        for done, outcome in self._finished:
            table.add_row(*map(Text, (done.name, done.stage, without_secrets(outcome))))
        if self._running is not None:
            step = self._running
            expected = "" if step.seconds is None else f" of about {step.seconds:.0f}"
            running = f"running, {time.monotonic() - self._began:.0f}{expected} s"
            table.add_row(*(Text(t, style="bold") for t in (step.name, step.stage, running)))
            table.title = Text(f"{step.left():.0f} s left. {self._best}")
        return table


class Warnings(Lines):
    """Only what must be seen."""

    def line(self, text: str) -> None: ...

    def alert(self, text: str) -> None:
        super().line(text)


def progress_for(out: TextIO, verbosity: Verbosity) -> Progress:
    """A live table if `out` is a terminal, lines otherwise."""
    if verbosity == "quiet":
        return Warnings(out)
    animated = out.isatty() and os.environ.get("TERM") != "dumb"
    return LiveTable(out) if animated else Lines(out)
