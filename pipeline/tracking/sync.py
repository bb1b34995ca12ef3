"""Sends a run's journal to MLflow, during the run or later.

`python -m pipeline.tracking.sync <store>/runs/<run id>`, with the URI of MLflow in the environment
variable `ROOTSTOCK_TRACKING_URI`, because everyone on a machine sees the arguments of a process.

Exit codes: 0 MLflow has the whole run, 1 it does not (see `sync.log`, and run it again), 3 another
process is sending it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from models.masked_url import MaskedUrl, without_secrets
from pipeline.store.locks import locked
from pipeline.tracking import journal
from pipeline.tracking.client import artifacts_of, connect
from pipeline.tracking.events import Event, RunFinished, RunStarted, StageStarted
from pipeline.tracking.state import SyncState, load_state, save_state

if TYPE_CHECKING:
    from pipeline.tracking.mlflow import MlflowTracker

T = TypeVar("T")
TRACKING_URI = "ROOTSTOCK_TRACKING_URI"
DONE, INCOMPLETE, BUSY = 0, 1, 3
LOOK_EVERY_S = 0.25
LONGEST_PAUSE_S = 30.0
PATIENCE_S = 10.0
"""How long to retry after the run itself has ended."""


def send_journal(run: Path, uri: MaskedUrl, patience_s: float = PATIENCE_S) -> int:
    """Send a journal until its run has ended, or its writer is dead, and all of it is sent.

    Returns:
        DONE, INCOMPLETE or BUSY. The next call continues where this one stopped.
    """
    with locked(run / "sync.lock", wait=False) as ours:
        if not ours:
            return BUSY
        state = load_state(run, uri)
        if state.done:
            return DONE
        try:
            _follow(run, uri, state, patience_s)
        except Exception:
            _note(run, traceback.format_exc())
            return INCOMPLETE
        return DONE


def _follow(run: Path, uri: MaskedUrl, state: SyncState, patience_s: float) -> None:
    insist = partial(_insist, run, patience_s)
    tracker = cache(lambda: insist(partial(_connect, run, uri, state)))
    finished = False
    while not finished:
        alive = journal.writer_lives(run)  # first, so that all it wrote before dying is read below
        for event, offset in journal.read(run, state.offset):
            if state.offset == 0 and not isinstance(event, RunStarted):
                _note(run, "the journal lacks its first event: there is nothing to send to MLflow")
                finished = True
                break
            _record(tracker(), event, run, patience_s)
            finished = isinstance(event, RunFinished)
            state.offset = offset
            save_state(state, run, uri)
        if not alive and not finished:
            if state.runs:
                insist(partial(tracker().end, "KILLED"))
            finished = True
        if not finished:
            time.sleep(LOOK_EVERY_S)
    state.done = True
    save_state(state, run, uri)


def _connect(run: Path, uri: MaskedUrl, state: SyncState) -> MlflowTracker:
    client = connect(uri.reveal())
    import mlflow

    from pipeline.tracking.mlflow import MlflowTracker

    # the model registry asks the global address, not the client's
    mlflow.set_tracking_uri(uri.reveal())
    artifacts = artifacts_of(run.absolute().parent.parent, uri)
    return MlflowTracker(client, run, state, artifacts, partial(_note, run))


def _record(tracker: MlflowTracker, event: Event, run: Path, patience_s: float) -> None:
    """Send one event. One that MLflow refuses for good is noted, and the next ones are sent."""
    try:
        _insist(run, patience_s, partial(tracker.record, event))
    except Exception as e:
        if isinstance(event, RunStarted | StageStarted) or not _refused(e):
            raise
        _note(run, f"MLflow refuses {event.kind} of {time.ctime(event.time)}: {e}")


def _insist(run: Path, patience_s: float, act: Callable[[], T]) -> T:
    """Try until it succeeds, or until `patience_s` after the end of the run.

    Raises:
        Exception: of the last attempt.
    """
    pause, ended = 1.0, None
    while True:
        try:
            return act()
        except Exception as e:
            if ended is None and not journal.writer_lives(run):
                ended = time.monotonic()
            late = ended is not None and time.monotonic() - ended >= patience_s
            if late or _refused(e) or not _foreign(e):
                raise
            _note(run, f"MLflow does not answer, trying again: {e}")
            time.sleep(pause if ended is None else min(pause, 2.0))
            pause = min(2 * pause, LONGEST_PAUSE_S)


def _foreign(error: Exception) -> bool:
    """Whether the error comes from MLflow or its database or network, not from a bug here."""
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or package in ("mlflow", "sqlalchemy")


def _refused(error: Exception) -> bool:
    """Whether MLflow was reached and will never accept this."""
    return getattr(error, "error_code", "") in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def _note(run: Path, text: str) -> None:
    with open(run / "sync.log", "a") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {without_secrets(text.strip())}\n")


class _MaskedLog(io.TextIOWrapper):
    """For what MLflow and its libraries log."""

    def write(self, text: str) -> int:
        return super().write(without_secrets(text))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Runs with low priority, so as not to slow down the run that it sends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="<store>/runs/<run id>")
    args = parser.parse_args(arguments)
    os.nice(10)
    log = os.open(args.run / "sync.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    sys.stdout = sys.stderr = _MaskedLog(os.fdopen(log, "wb"), line_buffering=True)
    return send_journal(args.run, MaskedUrl(os.environ[TRACKING_URI]))


if __name__ == "__main__":
    sys.exit(main())
