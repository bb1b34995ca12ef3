"""Runs trials in worker processes, recycled periodically and terminated with the parent."""

from __future__ import annotations

import gc
import threading
import traceback
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from components.errors import RootstockError
from components.experiments.baseline import BaselineOutputs
from components.experiments.trial import TrialOutputs
from components.stage import BeamOptions, Context, Stage
from pipeline.display import Quiet
from pipeline.runner import Runner
from pipeline.store.entry import Entry
from pipeline.store.store import Store
from pipeline.study.elsewhere import Moved, meeting_place, moved
from pipeline.study.jobs import Job
from pipeline.worker_pool import results, worker_pool

IN_PROCESS = BeamOptions()
_one = threading.Lock()
"""A process trains one model at a time, whatever its runner does: seeds are global to it."""


@dataclass(frozen=True)
class Done:
    """A job and its published result. cached: an earlier study produced it."""

    job: Job
    entry: Entry
    cached: bool


def run_jobs(
    jobs: Sequence[Job], store: Store, workers: int, beam: BeamOptions = IN_PROCESS
) -> Generator[Done, None, None]:
    """Run the jobs that have no result yet, roughly in order, and yield each when it is done.

    A trial that two arms share runs once. Closing the iterator skips the jobs that have not
    started.

    workers: processes on this machine. beam: a runner; with it, all results are yielded at the end.
        Its workers share the store's disk, unless the store is behind a URL.

    Raises:
        RootstockError: a trial could not be trained as its arm says.
    """
    waiting: dict[str, list[Job]] = {}
    for job in jobs:
        if (entry := store.find(job.identity)) is not None:
            yield Done(job, entry, cached=True)
        else:
            waiting.setdefault(job.identity.fingerprint, []).append(job)
    if not waiting:
        return
    if beam != IN_PROCESS:
        yield from _on_beam(list(waiting.values()), store, beam)
        return
    with worker_pool(workers) as pool:

        def submit(same: list[Job]) -> Future[Entry]:
            return pool.submit(_run, 0, same[0], store=store.root)

        for same, entry in results(submit, waiting.values(), workers):
            for job in same:
                yield Done(job, entry, cached=False)


def _on_beam(groups: list[list[Job]], store: Store, beam: BeamOptions) -> Iterator[Done]:
    """Finished trials are in the store, so a killed study continues without Beam's own record."""
    from components.beam.by_url import finish
    from components.beam.map_units import map_units

    jobs = [same[0] for same in groups]
    remote = meeting_place(jobs, store, beam)
    with TemporaryDirectory(prefix=".trials-", dir=store.root) as place:
        context = Context(Path(place), Path(place), beam, remote=remote)
        if remote is None:
            map_units("trials", jobs, partial(_run, store=store.root), context)
        else:
            try:
                map_units("trials", moved(jobs, store), run_elsewhere, context)
            finally:
                finish(remote)  # also if a trial failed: the others are in the store
    for same in groups:
        if (entry := store.find(same[0].identity)) is None:
            raise RootstockError(
                f"The result of {same[0].name} has disappeared from {store.root}. Run the same"
                " command again."
            )
        for job in same:
            yield Done(job, entry, cached=False)


def run_elsewhere(index: int, job: Moved) -> None:
    """In a worker that does not share the driver's disk."""
    arrived, store = job.arrived()
    _run(index, arrived, store=store.root)


def _run(index: int, job: Job, *, store: Path) -> Entry:
    """In a worker: run a trial through the store, so that another study waits for its result."""
    from models.lazy import keras

    with _one:
        keras.backend.clear_session()
        if not gc.get_freeze_count():  # what TensorFlow made at its import is never garbage
            gc.freeze()
        try:
            with Runner(Store(store), display=Quiet()) as runner:
                runner(cast(Stage[Any, TrialOutputs | BaselineOutputs], job.stage), job.inputs)
                entry = runner.store.find(job.identity)
        except RootstockError as e:
            raise RootstockError(f"{job.name}: {e}") from None
        except Exception:  # as text: not every exception survives pickling
            raise RuntimeError(traceback.format_exc()) from None
    assert entry is not None
    return entry
