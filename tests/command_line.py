"""`rootstock` as a user types it: in this process, or in one of its own that can be killed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from pipeline.cli.main import main
from pipeline.store.entry import Entry
from pipeline.store.store import Store


def call(project: Path, *arguments: str) -> tuple[int, str, str]:
    """A command in this process, where TensorFlow is imported already: exit code, stdout, stderr.

    For what only a process of its own shows (imports, signals, kills) there is `start`.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(project),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def sets(*overrides: str) -> list[str]:
    """The arguments that set these fields of a spec."""
    return [argument for override in overrides for argument in ("--set", override)]


def start(project: Path, *arguments: str, timed: bool = False) -> subprocess.Popen[str]:
    command = [sys.executable, *(["-X", "importtime"] if timed else []), "-m", "pipeline.cli.main"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, *arguments],
        stdout=pipe,
        stderr=pipe,
        text=True,
        cwd=project,
        start_new_session=True,
    )


def finished(store: Path) -> dict[str, int]:
    """When the result of each trial was published, by fingerprint."""
    results = (store / "Trial").glob("[!.]*/artifact.json")
    return {r.parent.name: r.stat().st_mtime_ns for r in results}


def trained(store: Path) -> dict[str, int]:
    """How many epochs the checkpoint of each unfinished trial holds, by fingerprint."""
    found = {}
    for file in (store / "Trial").glob(".scratch-*/checkpoint.npz"):
        with contextlib.suppress(FileNotFoundError), np.load(file) as arrays:
            history = json.loads(arrays["history"].tobytes())
            found[file.parent.name.removeprefix(".scratch-")] = len(history)
    return found


def train_on(process: subprocess.Popen[str], store: Path, short: int, trials: int) -> None:
    """Wait until the short trials have ended and `trials` others have trained five more epochs."""
    before, now, end = trained(store), dict[str, int](), time.monotonic() + 200
    while (
        len(finished(store)) < short
        or sum(epochs >= before.get(trial, 0) + 5 for trial, epochs in now.items()) < trials
    ):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no trial trains"
        time.sleep(0.1)
        now = trained(store)
        assert all(now[trial] >= epochs for trial, epochs in before.items()), "one began anew"


def stops(process: subprocess.Popen[str], times: int, group: bool) -> None:
    """Interrupt the process `times` times, alone or with its group; it must stop cleanly."""
    with process:
        try:
            for _ in range(times):
                (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
                time.sleep(0.1)
            _, err = process.communicate(timeout=20)
            end = time.monotonic() + 5
            while (left := _session(process.pid)) and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert not left, "a process was left behind"
    assert process.returncode == 130, err
    assert err.endswith("rootstock: interrupted; run the same command again to continue\n")
    assert err.count("interrupted") == 1
    assert not any(word in err for word in ("Traceback", "Error", "Warning")), err


def _session(leader: int) -> list[psutil.Process]:
    """The running processes of a session."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def entry(project: Path, stage: str) -> Entry:
    """The newest result of a stage in the store of a project."""
    found = Store(project / "store").latest(stage)
    assert found is not None
    return found
