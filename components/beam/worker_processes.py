"""Detects when worker processes of Beam's own runner die; Beam itself would wait forever."""

from __future__ import annotations

import threading

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)

POLL_SECONDS = 0.5

died = threading.Event()
"""Set when a worker process ended before its work was done."""


class WorkerDied(Exception):
    """Raised in threads that wait for a worker that has died."""


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class WatchedProcess(SubprocessSdkWorkerHandler):  # type: ignore[misc]
    """A worker process that, when it dies, releases the threads that wait for it."""

    def start_worker(self) -> None:
        super().start_worker()
        self.closing = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        super().close()

    def _watch(self) -> None:
        self.worker_thread.join()
        while not self.closing.wait(POLL_SECONDS):
            died.set()
            self.data_conn._exception = WorkerDied()
            self.control_conn.abort(WorkerDied())
