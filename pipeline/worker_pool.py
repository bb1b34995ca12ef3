"""A pool of worker processes for trials."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TypeVar

from components.errors import RootstockError

K = TypeVar("K")
V = TypeVar("V")
TRIALS_PER_PROCESS = 25
"""Workers are replaced after so many trials, because TensorFlow does not free its memory."""


@contextlib.contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Worker processes that share the cores; recycled periodically, terminated with the parent.

    Raises:
        RootstockError: a worker was killed.
    """
    settings = os.getpid(), max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(
        workers, _Context(), _begin_worker, settings, max_tasks_per_child=TRIALS_PER_PROCESS
    )
    try:
        yield pool
    except BrokenProcessPool as e:
        raise RootstockError(
            "The process of a trial was killed, perhaps because memory ran out. Run the same"
            " command again: finished trials are kept. Fewer --workers need less memory."
        ) from e
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def results(
    submit: Callable[[K], Future[V]], keys: Iterable[K], workers: int, end: float | None = None
) -> Iterator[tuple[K, V]]:
    """Submit `workers` keys at a time and yield each with its result; submit none after `end`.

    end: a time as of `time.monotonic`.
    """
    left, running = iter(keys), dict[Future[V], K]()
    while True:
        if end is None or time.monotonic() < end:
            running |= {submit(key): key for key in islice(left, workers - len(running))}
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


class _Process(SpawnProcess):
    """A process that gets no interrupts, even while it starts: the parent handles them."""

    def start(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()  # it inherits the blocked signals
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Process


def _begin_worker(parent: int, threads: int) -> None:
    """Use only this worker's share of the cores, and end with the parent."""
    for library in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        os.environ[library] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.disable(logging.WARNING)  # such as TensorFlow's about tracing many models
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
