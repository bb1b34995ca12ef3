"""The journal: the record of a run on local disk, written during the run.

`<store>/runs/<run id>/journal.jsonl`. The writer holds a lock on the file while it lives, so a
reader can distinguish a running run from a killed one: the kernel releases the lock when the writer
dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.tracking import events
from pipeline.tracking.events import Event, RunFinished

FILE = "journal.jsonl"
RUN_PAGE = "run.html"
"""The page of the run, beside its journal."""


def new_run(store: Path) -> Path:
    """The directory of a new run. Its name is the run's id; ids sort by time."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return store / "runs" / f"{stamp}-{uuid.uuid4().hex[:6]}"


class JournalTracker(events.Tracker):
    """Appends every event to a journal immediately, so that a killed process loses none.

    A journal that cannot be written does not stop the run: `warn` gets one message.
    """

    def __init__(self, run: Path, warn: Callable[[str], None]) -> None:
        self.run = run
        self._warn = warn
        self._lock = threading.Lock()
        self._file: int | None = None
        self._complete = True  # whether the last line was written completely
        self._warned = False

    def record(self, event: Event) -> None:
        """Append an event; what only this run knows is on the disk when this returns."""
        new_result = isinstance(event, events.StageFinished) and not event.cached
        durable = new_result or isinstance(event, events.StageFailed | RunFinished)
        line = events.to_line(event)
        with self._lock:
            try:
                if self._file is None:
                    self._file = self._open()
                if not self._complete:
                    line = b"\n" + line
                self._complete = False
                while line:
                    line = line[os.write(self._file, line) :]
                self._complete = True
                if durable:
                    os.fsync(self._file)
            except OSError as e:
                if not self._warned:
                    self._warned = True
                    self._warn(f"{self.run / FILE}: this run's record is incomplete ({e.strerror})")
            if isinstance(event, RunFinished) and self._file is not None:
                os.close(self._file)
                self._file = None

    def _open(self) -> int:
        self.run.mkdir(parents=True, exist_ok=True)
        file = os.open(self.run / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        return file


def read(run: Path, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """The events of a journal from a byte offset on, each with the offset after it.

    Reading stops at a last line without newline. Other incomplete lines are skipped.
    """
    with open(run / FILE, "rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            with contextlib.suppress(ValueError):
                yield events.from_line(line), offset


def writer_lives(run: Path) -> bool:
    """Whether the process that writes this journal is still running."""
    with open(run / FILE, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
