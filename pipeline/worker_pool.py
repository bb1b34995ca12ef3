"""A pool of worker processes for trials."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess

from components.errors import RootstockError

TRIALS_PER_PROCESS = 25
"""Workers are replaced after so many trials, because TensorFlow does not free its memory."""


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Worker processes that share the cores; recycled periodically, terminated with the parent."""
    return ProcessPoolExecutor(
        workers,
        _Context(),
        _begin_worker,
        (os.getpid(), max(1, (os.cpu_count() or 1) // workers)),
        max_tasks_per_child=TRIALS_PER_PROCESS,
    )


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


def killed() -> RootstockError:
    """The error to raise when a worker was killed."""
    return RootstockError(
        "The process of a trial was killed, perhaps because memory ran out. Run the same command"
        " again: finished trials are kept. Fewer --workers need less memory."
    )


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
