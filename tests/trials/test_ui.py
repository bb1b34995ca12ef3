"""`rootstock ui` leaves no process of MLflow behind, whatever ends it."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.command_line import start

SPEC = """\
name: little
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {size: {kind: numeric}}
tasks: {ripe: {kind: binary, label: ripe}}
store: store
"""


def answers(port: int) -> bool:
    with contextlib.suppress(urllib.error.URLError, OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
        return True
    return False


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_mlflow_ends_with_the_command(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = start(tmp_path, "ui", "spec.yaml", "--port", str(port))
    below: list[psutil.Process] = []
    try:
        end = time.monotonic() + 120
        while not answers(port):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.2)
        below = psutil.Process(process.pid).children(recursive=True)
        assert 3 <= len(below) < 8  # the guard, MLflow, one worker and their helpers
        process.send_signal(number)
        if number == signal.SIGTERM:
            assert process.wait(30) == 128 + number
        _, alive = psutil.wait_procs(below, timeout=2 if number == signal.SIGTERM else 30)
        assert not alive
    finally:
        process.kill()
        for child in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.communicate()
