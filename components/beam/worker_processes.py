"""Worker processes of Beam's own runner: none outlives its parent, and none is waited for in vain.

Beam itself would wait forever for a worker that has died, and for one that starts while the others
are being closed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
from typing import Any

import psutil
from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)

from components import die_with_parent

POLL_SECONDS = 0.5
GRACE_S = 10.0
"""Time for a worker to end by itself when its work is done."""

died = threading.Event()
"""Set when a worker process ended before its work was done."""


class WorkerDied(Exception):
    """Raised in threads that wait for a worker that has died."""


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class WatchedProcess(SubprocessSdkWorkerHandler):  # type: ignore[misc]
    """A worker process that ends with its parent and that, when it dies, releases the threads that
    wait for it.
    """

    def __init__(self, command: bytes, *others: Any) -> None:
        super().__init__(command, *others)
        self.closing = threading.Event()
        self._mark = f"ROOTSTOCK_WORKER={os.getpid()}-{id(self)}"
        shell = ["env", self._mark, "sh", "-c", f"exec {command.decode()}"]
        own = shlex.join(die_with_parent.command(shell))
        self._worker_command_line = f"exec {own}".encode()  # Beam gives it to a shell

    def start_worker(self) -> None:
        super().start_worker()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        if died.is_set():  # no result is wanted any more
            self._kill()
        super().close()

    def stop_worker(self) -> None:
        """Wait until the process has ended, and kill it if it does not end by itself."""
        self.worker_thread.join(GRACE_S)
        self._kill()

    def _watch(self) -> None:
        self.worker_thread.join()
        while not self.closing.wait(POLL_SECONDS):
            died.set()
            self.data_conn._exception = WorkerDied()
            for waiting in list(self.control_conn._futures_by_id.values()):
                waiting.abort(WorkerDied())

    def _kill(self) -> None:
        """Kill the process, also one that its thread has not started yet."""
        name, _, value = self._mark.partition("=")
        while self.worker_thread.is_alive():
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    if self._mark in child.cmdline() or child.environ().get(name) == value:
                        child.kill()
            self.worker_thread.join(POLL_SECONDS)
