"""The journal: a run's record on local disk, written as things happen, and reading it.

`<store>/runs/<run id>/journal.jsonl`. The writer holds a lock on the file for as long as it lives,
so a reader can tell a running run from a killed one; the kernel lets go however the writer dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking.base import Tracker
from pipeline.tracking.events import (
    Event,
    Output,
    Param,
    RunFinished,
    RunStarted,
    StageFailed,
    StageFinished,
    StageMetrics,
    StageStarted,
    Status,
    SystemSample,
    from_line,
    to_line,
)

if TYPE_CHECKING:
    from pipeline.store.store import Entry

FILE = "journal.jsonl"


def new_run(store: Path) -> Path:
    """The directory for a new run: its name is the run's id, and ids sort by time."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return store / "runs" / f"{stamp}-{uuid.uuid4().hex[:6]}"


class JournalTracker(Tracker):
    """Appends every event to a journal at once, so that a killed process loses none.

    A journal that cannot be written does not stop the run: `warn` is told, once.
    """

    def __init__(self, run: Path, warn: Callable[[str], None]) -> None:
        self.run = run
        self._warn = warn
        self._lock = threading.Lock()
        self._file: int | None = None
        self._whole = True  # whether the last line was written to its end
        self._warned = False

    def run_started(
        self,
        name: str,
        experiment: str,
        spec_text: str,
        params: Mapping[str, Param],
        tags: Mapping[str, str],
    ) -> None:
        self._append(
            RunStarted(
                time=time.time(),
                run_id=self.run.name,
                name=name,
                experiment=experiment,
                spec_text=spec_text,
                params=params,
                tags=tags,
                pid=os.getpid(),
            )
        )

    def stage_started(self, stage: str, fingerprint: str) -> None:
        self._append(StageStarted(time=time.time(), stage=stage, fingerprint=fingerprint))

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._append(StageMetrics(time=time.time(), stage=stage, step=step, values=values))

    def stage_finished(self, entry: Entry, cached: bool, seconds: float) -> None:
        event = StageFinished(
            time=time.time(),
            stage=entry.identity.stage,
            fingerprint=entry.identity.fingerprint,
            cached=cached,
            seconds=seconds,
            params=entry.identity.params,
            inputs=entry.identity.inputs,
            outputs={
                name: Output(o["type"], str(entry.path / name), o["digest"])
                for name, o in entry.outputs.items()
            },
            figures=entry.figures,
        )
        self._append(event, durable=not cached)

    def stage_failed(self, stage: str, error: str) -> None:
        self._append(StageFailed(time=time.time(), stage=stage, error=error), durable=True)

    def system(self, values: Mapping[str, float]) -> None:
        self._append(SystemSample(time=time.time(), values=values))

    def run_finished(self, status: Status) -> None:
        self._append(RunFinished(time=time.time(), status=status), durable=True)
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _append(self, event: Event, durable: bool = False) -> None:
        line = to_line(event)
        with self._lock:
            try:
                if self._file is None:
                    self._file = self._open()
                if not self._whole:
                    line = b"\n" + line
                self._whole = False
                while line:
                    line = line[os.write(self._file, line) :]
                self._whole = True
                if durable:
                    os.fsync(self._file)
            except OSError as e:
                if not self._warned:
                    self._warned = True
                    self._warn(f"{self.run / FILE}: this run's record is incomplete ({e.strerror})")

    def _open(self) -> int:
        self.run.mkdir(parents=True, exist_ok=True)
        file = os.open(self.run / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        return file


def read(run: Path, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """The events of a journal from a byte offset on, each with the offset behind it.

    A line that is not whole yet ends the reading; one that never became whole is passed over.
    """
    with open(run / FILE, "rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            with contextlib.suppress(ValueError):
                yield from_line(line), offset


def writer_lives(run: Path) -> bool:
    """Whether the process that writes this journal is still there."""
    with open(run / FILE, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
