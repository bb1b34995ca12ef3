"""A Beam worker that is killed at any time ends the run; a parent that is killed leaves none."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

WORKERS = 2
PROGRAM = """\
import sys, time
from pathlib import Path
from components.beam.map_units import map_units
from components.errors import RootstockError
from components.stage import BeamOptions, Context

def work(index, unit):  # all together take longer than the longest delay before a kill
    time.sleep(0.4)
    return unit

if __name__ == "__main__":
    place = Path(sys.argv[1])
    options = ("direct_running_mode=multi_processing", "direct_num_workers=2")
    context = Context(place, place, BeamOptions(options=options))
    try:
        print(list(map_units("x", range(30), work, context)))
    except RootstockError as e:
        print(e)
        sys.exit(2)
"""


@contextlib.contextmanager
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "scratch")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The workers of a process, once all have started."""
    end = time.monotonic() + 120
    while True:
        found = psutil.Process(process.pid).children(recursive=True)
        if len(found) >= WORKERS:
            return found
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("delay", [0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0])
def test_a_worker_is_killed(tmp_path: Path, delay: float) -> None:
    with running(tmp_path) as process:
        victim = workers(process)[-1]
        time.sleep(delay)
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 2, out
        assert "a worker process of Beam died" in out
    with running(tmp_path) as process:
        out, _ = process.communicate(timeout=120)
        assert out.endswith(f"{list(range(30))}\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "delay"), [(signal.SIGTERM, 0.0), (signal.SIGKILL, 0.0), (signal.SIGKILL, 3.0)]
)
def test_no_worker_outlives_its_parent(
    tmp_path: Path, number: signal.Signals, delay: float
) -> None:
    with running(tmp_path) as process:
        below = workers(process)
        time.sleep(delay)
        below = list({*below, *psutil.Process(process.pid).children(recursive=True)})
        process.send_signal(number)
        _, alive = psutil.wait_procs(below, timeout=30)
        assert not alive
        process.communicate(timeout=60)
