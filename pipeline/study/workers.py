"""Runs trials in processes of their own, which are renewed now and then and die with this one."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from components.experiments.baseline import BaselineOutputs
from components.experiments.trial import TrialOutputs
from components.stage import BeamOptions, Context, RootstockError, Stage
from pipeline.display import Display
from pipeline.runner import Runner
from pipeline.store.store import Entry, Store
from pipeline.study.jobs import Job

IN_PROCESS = BeamOptions()
_one = threading.Lock()
"""A process trains one model at a time, whatever its runner does: seeds are the process's."""
TRIALS_PER_PROCESS = 25
"""TensorFlow gives no memory back."""


@dataclass(frozen=True)
class Done:
    """A job and its published result. cached: by an earlier study."""

    job: Job
    entry: Entry
    cached: bool


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    workers: int,
    beam: BeamOptions = IN_PROCESS,
) -> Generator[Done, None, None]:
    """Run the jobs that have no result yet, in about their order; each is given as it is done, or
    all of them at the end where a Beam runner has them.

    A trial that two arms have in common runs once. Closing the iterator leaves the jobs that have
    not begun.

    workers: processes on this machine. beam: a runner whose workers share the store's disk.

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
    pool = worker_pool(workers)
    queue, running = list(waiting.values()), dict[Future[Entry], list[Job]]()
    try:
        while queue or running:
            while queue and len(running) < workers:
                same = queue.pop(0)
                running[pool.submit(_run, same[0], store.root)] = same
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                entry = future.result()
                for job in running.pop(future):
                    yield Done(job, entry, cached=False)
    except BrokenProcessPool as e:
        raise killed() from e
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _on_beam(groups: list[list[Job]], store: Store, beam: BeamOptions) -> Iterator[Done]:
    """What is killed goes on from the store: nothing is lost with Beam's own record."""
    from components.beam.map_units import map_units

    with TemporaryDirectory(prefix=".trials-", dir=store.root) as place:
        context = Context(Path(place), Path(place), beam)
        work = partial(_run_unit, store=store.root)
        entries = list(map_units("trials", [same[0] for same in groups], work, context))
    for same, entry in zip(groups, entries, strict=True):
        for job in same:
            yield Done(job, entry, cached=False)


def _run_unit(index: int, job: Job, *, store: Path) -> Entry:
    return _run(job, store)


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Processes that share the cores, are renewed now and then, and die with this one."""
    return ProcessPoolExecutor(
        workers,
        _Context(),
        _begin_worker,
        (os.getpid(), max(1, (os.cpu_count() or 1) // workers)),
        max_tasks_per_child=TRIALS_PER_PROCESS,
    )


class _Process(SpawnProcess):
    """A process that no interrupt reaches, not even while it starts: they are the parent's."""

    def start(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()  # it inherits what is blocked
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Process


def killed() -> RootstockError:
    """What to tell people where a worker was killed."""
    return RootstockError(
        "A trial's process was killed, perhaps for want of memory. Run the same command again:"
        " finished trials are kept; with fewer --workers it takes less memory."
    )


def _run(job: Job, store: Path) -> Entry:
    """In a worker: a trial through the store, so that another study's worker waits for it."""
    from models.lazy import keras

    with _one:
        keras.backend.clear_session()
        try:
            return _entry_of(job, store)
        except RootstockError as e:
            what = f"{job.cell.arm}, {'+'.join(job.judged)}, seed {job.cell.seed + 1}"
            raise RootstockError(f"{what}: {e}") from None
        except Exception:  # as text: not every exception survives pickling
            raise RuntimeError(traceback.format_exc()) from None


def _entry_of(job: Job, store: Path) -> Entry:
    with Runner(Store(store), display=Quiet()) as runner:
        runner(cast(Stage[Any, TrialOutputs | BaselineOutputs], job.stage), job.inputs)
        entry = runner.store.find(job.identity)
    assert entry is not None
    return entry


def _begin_worker(parent: int, threads: int) -> None:
    """Share the cores with the others, and do not outlive the parent."""
    for library in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        os.environ[library] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.disable(logging.WARNING)  # such as of TensorFlow, that it traces many models
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class Quiet(Display):
    """Shows nothing."""

    def line(self, text: str) -> None: ...

    def progress(self, stage: str, done: int, total: int | None, unit: str, note: str) -> None: ...

    def finished(self, stage: str) -> None: ...
