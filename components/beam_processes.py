"""Worker processes of Beam's own runner, whose death is noticed: Beam waits for them forever."""

from __future__ import annotations

import threading

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)

POLL_SECONDS = 0.5


class WorkerDied(Exception):
    """A worker process ended before its work was done."""


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class WatchedProcess(SubprocessSdkWorkerHandler):  # type: ignore[misc]
    """A worker process; whoever waits for its answers when it is gone gets `WorkerDied`."""

    def start_worker(self) -> None:
        super().start_worker()
        self.stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop_worker(self) -> None:
        self.stopped.set()
        super().stop_worker()

    def _watch(self) -> None:
        self.worker_thread.join()
        while not self.stopped.wait(POLL_SECONDS):
            self.control_conn.abort(WorkerDied())
