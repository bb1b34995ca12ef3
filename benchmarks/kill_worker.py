"""Kill one of two workers of a training at random moments, start both again, and compare the model.

    python benchmarks/kill_worker.py [--kills 10] [--seed 0]

Chief and second worker take turns at being killed (SIGKILL). Fails unless the weights are those of
an undisturbed training, to the bit; says how the survivor ended. With `--speed` it measures instead
how fast two processes of one thread each train, against one process of one thread and one of two:
run that on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from components.training.workers import environment_of

SPEC = """\
name: planted
seed: 1
data:
  sources: [{format: csv, path: rows.csv}]
inputs: {x0: {kind: numeric}, x1: {kind: numeric}, x2: {kind: numeric}, x3: {kind: numeric}}
tasks:
  a: {kind: binary, label: a, positive: "yes"}
  b: {kind: binary, label: b, positive: "yes"}
model:
  experts: none
  trunk: {name: scratch, width: 64}
  balancing: pcgrad
training: {epochs: 30, batch_size: 64}
push: {destination: served}
store: .rootstock
tracking: {backend: none}
"""


def write_data(directory: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4))
    table = pd.DataFrame({f"x{i}": x[:, i] for i in range(4)})
    table["a"] = np.where(x[:, 0] + x[:, 1] > 0, "yes", "no")
    table["b"] = np.where(x[:, 2] * x[:, 3] > 0, "yes", "no")
    table.to_csv(directory / "rows.csv", index=False)
    (directory / "spec.yaml").write_text(SPEC)


def addresses() -> tuple[str, ...]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    found = tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in listeners)
    for each in listeners:
        each.close()
    return found


def started(directory: Path, workers: int, threads: int = 1) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "pipeline.cli.main", "run", "spec.yaml", "--no-wait"]
    own = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}
    own["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    each: list[dict[str, str]] = [{}]
    if workers == 2:
        place = addresses()
        each = [environment_of(place, i) for i in range(2)]
    return [
        subprocess.Popen(
            command,
            cwd=directory,
            env=os.environ | own | e,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for e in each
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What each process says, after it ended well."""
    said = [p.communicate()[1] for p in processes]
    for process, text in zip(processes, said, strict=True):
        if process.returncode:
            sys.exit(f"a worker ended with {process.returncode}: {text}")
    return said


def trainer(directory: Path) -> Path:
    (entry,) = (directory / ".rootstock").rglob("Trainer/*/artifact.json")
    return entry.parent


def digest(directory: Path) -> str:
    return hashlib.sha256((trainer(directory) / "model" / "weights.npz").read_bytes()).hexdigest()


def killed(directory: Path, victim: int, after: float) -> str:
    """Start both workers, kill one after its first checkpoint, and start both again."""
    processes = started(directory, 2)
    while not list(directory.rglob("checkpoint.npz")) and processes[0].poll() is None:
        time.sleep(0.02)
    time.sleep(after)
    if processes[0].poll() is not None:
        ended(processes)
        return "had ended before"
    processes[victim].kill()
    began = time.monotonic()
    text = processes[1 - victim].communicate()[1]
    processes[victim].communicate()
    code, seconds = processes[1 - victim].returncode, time.monotonic() - began
    lines = [line for line in text.splitlines() if line.startswith("rootstock: ")]
    if code != 2 or len(lines) != 1:
        print(f"survivor: exit code {code} after {seconds:.1f} s, says {text[-500:]!r}")
    ended(started(directory, 2))
    return f"survivor: exit code {code} after {seconds:.1f} s"


def kills(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        calm, troubled = Path(name, "calm"), Path(name, "troubled")
        calm.mkdir()
        write_data(calm, 5_000)
        shutil.copytree(calm, troubled)
        ended(started(calm, 2))
        expected, wrong = digest(calm), 0
        for number in range(count):
            shutil.rmtree(troubled / ".rootstock", ignore_errors=True)
            victim, after = number % 2, random.uniform(0, 2)
            said = killed(troubled, victim, after)
            same = digest(troubled) == expected
            wrong += not same
            print(
                f"kill {number + 1} of worker {victim}, {after:.2f} s: {said}; same weights: {same}"
            )
        print(f"{count - wrong} of {count} ended with the same weights")
        sys.exit(wrong)


def speed() -> None:
    with tempfile.TemporaryDirectory() as name:
        for what, workers, threads in (
            ("one process of one thread", 1, 1),
            ("one process of two threads", 1, 2),
            ("two processes of one thread", 2, 1),
        ):
            directory = Path(name, what)
            directory.mkdir()
            write_data(directory, 20_000)
            text = (directory / "spec.yaml").read_text()
            text = text.replace("width: 64", "width: 512, columns: {layers: [1024, 1024]}")
            text = text.replace("epochs: 30, batch_size: 64", "epochs: 3, batch_size: 512")
            (directory / "spec.yaml").write_text(text)
            ended(started(directory, workers, threads))
            figures = json.loads((trainer(directory) / "artifact.json").read_text())["figures"]
            print(f"{what}: {figures['steps_per_second']} steps per second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", action="store_true")
    args = parser.parse_args()
    random.seed(args.seed)
    speed() if args.speed else kills(args.kills)


if __name__ == "__main__":
    main()
