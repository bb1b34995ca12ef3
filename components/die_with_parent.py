"""Runs a command that ends when its parent process ends, however that ends.

`python -m components.die_with_parent PID exec|tree COMMAND ARGUMENT…`

`exec` becomes the command, which the kernel kills with its parent. `tree` is for commands that
start processes of their own: it stays beside the command, and ends the whole group of processes
when the parent or the command ends. PID is that of the parent, which may have ended already.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Literal

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
GRACE_S = 3.0
"""Time for a group of processes to end by itself."""
POLL_S = 0.2


def command(arguments: Sequence[str], mode: Literal["exec", "tree"] = "exec") -> list[str]:
    """The command that runs another one until this process ends."""
    return [sys.executable, "-m", __name__, str(os.getpid()), mode, *arguments]


def main() -> int:
    parent, mode, *arguments = sys.argv[1:]
    if mode == "exec":
        _end_with(int(parent), signal.SIGKILL)
        os.execvp(arguments[0], arguments)
    _end_with(int(parent), signal.SIGTERM)
    return _run_group(arguments)


def _end_with(parent: int, number: signal.Signals) -> None:
    """Get a signal when the parent ends. Where the kernel has no such call, a thread looks."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number))
    except AttributeError:  # not Linux
        threading.Thread(target=_watch, args=(parent, number), daemon=True).start()
    if os.getppid() != parent:
        sys.exit(1)


def _watch(parent: int, number: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), number)


def _run_group(arguments: Sequence[str]) -> int:
    """Run a command in a process group of its own. Its exit code, or 128 plus a signal of ours."""
    ended: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        ended.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    with subprocess.Popen(arguments, process_group=0) as process:
        while process.poll() is None and not ended:
            time.sleep(POLL_S)
        _end_group(process)
    return 128 + ended[0] if ended else process.returncode


def _end_group(leader: subprocess.Popen[bytes]) -> None:
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, 0.0)):
        end = time.monotonic() + wait_s
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, number)
            while time.monotonic() < end:
                leader.poll()
                os.killpg(leader.pid, 0)  # an error if none is left
                time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
