"""What libraries write to standard error while a command runs goes to a log in the store.

TensorFlow greets from C++ at every import, in every worker process too: which kernels it uses, that
there is no GPU. Nothing in Python can catch that, so the file descriptor itself leads to the log
while a command runs, and worker processes inherit it. A thread reads the log and shows every line
that is not such a greeting (`is_noise`), such as a library's error or a worker's traceback.

If the process dies, its last lines are in the log and that thread is gone. So a second process
waits for the end of this one and shows them: this file as a script (`_watch`), without any import
from elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

STDERR = 2
POLL_S = 0.1
KEPT = 20
"""Logs of a store: older ones are removed."""
_NOISE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog\(\)"
    r"|[IW]\d{4} [\d:.]+ +\d+ \S+:\d+\] "  # absl's form: severity, month and day
    r"|\d{4}-\d\d-\d\d [\d:.]+: [IW] \S+:\d+\] "  # TensorFlow's own form
    r"|To enable the following instructions: "
    # what TensorFlow logs as errors although nothing is wrong:
    r"|.*\] failed call to cuInit"
    r"|.*\] oneDNN supports DT_\w+ only on"
    r"|.*\] Unable to register cu\w+ factory"
)
_STARTED = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
_terminal = STDERR


def is_noise(line: str) -> bool:
    """Whether a line is about the library itself, not about the work."""
    return not line.strip() or _NOISE.match(line) is not None


def terminal() -> int:
    """The file descriptor of the standard error that the user sees."""
    return _terminal


def can_be_kept(out: TextIO) -> bool:
    """Whether `out` is the standard error of the process; it is not in notebooks and in tests."""
    try:
        return out.fileno() == STDERR
    except (OSError, ValueError):
        return False


class LibraryOutput:
    """Keeps what libraries write, from its construction to `close`.

    out: the standard error that the user sees.
    """

    def __init__(self, store: Path) -> None:
        """store: its folder `logs` gets the log."""
        global _terminal
        logs = store / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for old in sorted(logs.glob("*.log"))[: 1 - KEPT]:
            old.unlink(missing_ok=True)
        self.log = logs / f"{_STARTED}-{os.getpid()}.log"
        sys.stderr.flush()
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._begins = os.fstat(log).st_size
        _terminal = os.dup(STDERR)
        self.out = open(_terminal, "w", buffering=1, errors="replace")  # noqa: SIM115 - see close
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, self.log, str(self._begins)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=_terminal,
            start_new_session=True,  # an interrupt ends this process only
        )
        os.dup2(log, STDERR)
        os.close(log)
        self._closing = threading.Event()
        self._reader: threading.Thread | None = None

    def show(self, line: Callable[[str], None], noise: bool = False) -> None:
        """From now on, show each line by `line`. noise: also the greetings."""
        self._reader = threading.Thread(target=self._read, args=(line, noise), daemon=True)
        self._reader.start()

    def finish(self) -> None:
        """Show what is in the log already."""
        sys.stderr.flush()
        self._closing.set()
        if self._reader is not None:
            self._reader.join()

    def close(self) -> None:
        """Standard error is as before."""
        global _terminal
        self.finish()
        os.dup2(_terminal, STDERR)
        _terminal = STDERR
        self.out.close()
        self._tell(b"done\n")
        with contextlib.suppress(OSError):
            self._watcher.communicate()
        with contextlib.suppress(FileNotFoundError):  # many commands later, its log is removed
            if not self.log.stat().st_size:
                self.log.unlink()

    def _read(self, show: Callable[[str], None], noise: bool) -> None:
        position = self._begins
        with open(self.log, "rb") as file:
            file.seek(position)
            while True:
                last = self._closing.wait(POLL_S)
                new = file.read()
                whole = len(new) if last else new.rfind(b"\n") + 1
                file.seek(position := position + whole)
                for line in new[:whole].decode(errors="replace").splitlines():
                    if noise or not is_noise(line):
                        show(line)
                if whole:
                    self._tell(f"{position}\n".encode())
                if last:
                    return

    def _tell(self, message: bytes) -> None:
        """Tell the watcher how many bytes of the log have been shown, or that all is done."""
        assert self._watcher.stdin is not None
        with contextlib.suppress(OSError):
            self._watcher.stdin.write(message)
            self._watcher.stdin.flush()


def _watch(log: str, begins: str) -> None:
    """Wait until the process that writes to standard input ends, and show the rest of its log."""
    with open(log, "rb") as file:
        last = [begins.encode(), *sys.stdin.buffer.readlines()][-1]
        if last.strip() == b"done":
            return
        file.seek(int(last))
        for line in file.read().decode(errors="replace").splitlines():
            if not is_noise(line):
                print(line, file=sys.stderr)


if __name__ == "__main__":
    _watch(*sys.argv[1:])
