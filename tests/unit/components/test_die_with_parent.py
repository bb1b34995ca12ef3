"""Processes that end with their parent, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from components.die_with_parent import command

PARENT = """\
import subprocess, sys
from components.die_with_parent import command
child = subprocess.Popen(command(sys.argv[2:], sys.argv[1]))
child.wait()
"""
TREE = "sleep 300 & sleep 300 & echo $! > {file}; wait"


@contextlib.contextmanager
def parent(mode: str, file: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[psutil.Process]]]:
    """A process with a child in this mode, and all processes below it once all have started."""
    arguments = ["sh", "-c", TREE.format(file=file)]
    if mode == "exec":
        arguments = ["sh", "-c", f"echo $$ > {file}; exec sleep 300"]
    with subprocess.Popen([sys.executable, "-c", PARENT, mode, *arguments]) as process:
        end = time.monotonic() + 60
        while not (file.exists() and file.read_text()):
            assert time.monotonic() < end
            time.sleep(0.05)
        below = psutil.Process(process.pid).children(recursive=True)
        assert len(below) == (1 if mode == "exec" else 4)
        try:
            yield process, below
        finally:
            process.kill()
            for child in below:
                with contextlib.suppress(psutil.Error):
                    child.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["exec", "tree"])
def test_all_end_with_the_parent(mode: str, number: signal.Signals, tmp_path: Path) -> None:
    with parent(mode, tmp_path / "pid") as (process, below):
        process.send_signal(number)
        _, alive = psutil.wait_procs(below, timeout=20)
        assert not alive


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_tree_ends_with_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    with parent("tree", tmp_path / "pid") as (process, below):
        guard = next(p for p in below if p.ppid() == process.pid)
        guard.send_signal(number)
        _, alive = psutil.wait_procs(below, timeout=20)
        assert not alive
        process.wait(20)


@pytest.mark.parametrize("mode", ["exec", "tree"])
def test_exit_codes_are_passed_on(mode: str) -> None:
    arguments = command(["sh", "-c", "exit 7"], "tree" if mode == "tree" else "exec")
    assert subprocess.call(arguments) == 7


def test_a_parent_that_has_ended_already() -> None:
    arguments = command(["sleep", "300"])
    arguments[arguments.index(str(os.getpid()))] = "1"
    assert subprocess.call(arguments, timeout=60) == 1
