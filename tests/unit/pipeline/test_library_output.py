"""Standard error of a process whose libraries are noisy, as its user sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.library_output import is_noise

GREETING = "I0000 00:00:1795793661.505935   16734 port.cc:153] oneDNN custom operations are on."
SCRIPT = """
import os, subprocess, sys
from pathlib import Path
from pipeline.display import showing

def native(text):
    os.write(2, text.encode())

with showing(Path("store"), {verbosity!r}) as display:
    display.line("Trainer: running")
    native({greeting!r} + "\\n")
    subprocess.run([sys.executable, "-c", "import os; os.write(2, b'from a worker\\\\n')"])
    print("from Python", file=sys.stderr)
    native("E0000 00:00:1.5 7 gpu.cc:1] out of memory\\n")
    {end}
native("after\\n")
"""


def run(folder: Path, end: str = "", verbosity: str = "normal") -> subprocess.CompletedProcess[str]:
    code = SCRIPT.format(greeting=GREETING, end=end, verbosity=verbosity)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def log(folder: Path) -> str:
    (file,) = (folder / "store" / "logs").iterdir()
    return file.read_text()


def test_only_greetings_are_left_to_the_log(tmp_path: Path) -> None:
    done = run(tmp_path)
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert lines[0] == "Trainer: running"
    assert lines[-1] == "after"
    assert sorted(lines[1:-1]) == [
        "E0000 00:00:1.5 7 gpu.cc:1] out of memory",
        "from Python",
        "from a worker",
    ]
    assert set(log(tmp_path).splitlines()) == {GREETING, *lines[1:-1]}


def test_verbose_shows_greetings_too(tmp_path: Path) -> None:
    assert GREETING in run(tmp_path, verbosity="verbose").stderr.splitlines()


@pytest.mark.parametrize(
    ("end", "last"),
    [
        ("native('F0000 00:00:1.5 7 a.cc:1] Check failed: x\\n'); os.abort()", "Check failed: x"),
        ("raise ValueError('a bug')", "ValueError: a bug"),
        ("native('half a line'); os._exit(1)", "half a line"),
    ],
)
def test_what_a_process_says_as_it_dies_is_seen(tmp_path: Path, end: str, last: str) -> None:
    done = run(tmp_path, end)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith(last)
    assert done.stderr.count("out of memory") == 1
    assert GREETING not in done.stderr


def test_greetings() -> None:
    for line in (
        GREETING,
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "2026-11-27 10:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN is on.",
        "E0000 00:00:1.397279   16734 cuda_platform.cc:52] failed call to cuInit: INTERNAL: 303",
        "E0000 00:00:1.25   16734 util.cc:131] oneDNN supports DT_UINT8 only on platforms with",
    ):
        assert is_noise(line), line
    for line in (
        "Traceback (most recent call last):",
        "2026-11-27 10:00:00.123456: E tensorflow/a.cc:1] failed",
        "F0000 00:00:1.25   16734 util.cc:131] Check failed",
        "terminate called without an active exception",
        "Killed",
    ):
        assert not is_noise(line), line
