"""Worker pool."""

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
"""TensorFlow gives no memory back."""


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
