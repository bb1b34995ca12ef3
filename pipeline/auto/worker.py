"""One worker process, which may crash or hang without harm to the search."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from components.errors import RootstockError
from pipeline.worker_pool import worker_pool

T = TypeVar("T")
TICK_S = 1.0


class Overdue(Exception):
    """The work was stopped, because its time was over."""


class Crashed(Exception):
    """The worker's process ended by itself."""


class Worker:
    """Runs functions one after another in a process of its own, which is replaced if it ends.

    tick: called about every second of waiting. Errors of files do not matter: a trial may have
        filled the disk, which then ends with a reason of its own.
    """

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stack = contextlib.ExitStack()
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, work: Callable[..., T], *arguments: object, until: float) -> T:
        """The result of `work(*arguments)`. until: as of `time.monotonic`.

        Raises:
            Overdue: it did not end in time.
            Crashed: its process was killed, or ended.
        """
        if self._pool is None:
            self._pool = self._stack.enter_context(worker_pool(1))
        try:
            future = self._pool.submit(work, *arguments)
            while True:
                try:
                    return future.result(max(0.01, min(TICK_S, until - time.monotonic())))
                except TimeoutError:
                    with contextlib.suppress(OSError):
                        self._tick()
                    if time.monotonic() >= until:
                        raise Overdue from None
        except BrokenProcessPool as e:
            self.close()
            raise Crashed("its process was killed, perhaps because memory ran out") from e
        except (Overdue, KeyboardInterrupt):
            self.close()
            raise

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._pool is None:
            return
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool = None
        with contextlib.suppress(RootstockError):
            self._stack.close()
