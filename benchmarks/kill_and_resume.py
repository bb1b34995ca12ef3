"""Kill a run at random moments, repeat the command, and compare with a run that was not killed.

    python benchmarks/kill_and_resume.py SPEC [--data DIR] [--kills 10] [--seed 0]

Fails unless the artifacts of data stages have the same digests, metrics agree to 1e-6, and no
half-written files remain.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.store.store import Store

DATA_STAGES = (
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "TaskStatisticsGen",
    "Transform",
)


def command(args: argparse.Namespace, store: Path) -> list[str]:
    arguments = [sys.executable, "-m", "pipeline.cli.main", "run", str(args.spec), "--no-wait"]
    arguments += ["--set", f"store={store}", "--set", f"push.destination={store / 'serving'}"]
    for override in args.overrides:
        arguments += ["--set", override]
    return arguments + (["--data", args.data] if args.data else [])


def quiet(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def digests(store: Path) -> dict[str, dict[str, str]]:
    entries = {s: Store(store).latest(s) for s in DATA_STAGES}
    return {
        s: {n: o["digest"] for n, o in e.outputs.items()}
        for s, e in entries.items()
        if e is not None
    }


def metrics(store: Path) -> dict[str, float]:
    entry = Store(store).latest("Evaluator")
    assert entry is not None
    evaluation = json.loads((entry.path / "evaluation" / "evaluation.json").read_text())
    return {
        f"{task}.{name}": value
        for task, t in evaluation["tasks"].items()
        for name, value in t["values"].items()
        if isinstance(value, float)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data", type=os.path.abspath)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    with tempfile.TemporaryDirectory() as root:
        calm, troubled = Path(root) / "calm", Path(root) / "troubled"
        began = time.monotonic()
        assert quiet(command(args, calm)).wait() == 0
        whole = time.monotonic() - began
        print(f"undisturbed: {whole:.1f} s")
        for kill in range(args.kills):
            process = quiet(command(args, troubled))
            after = random.uniform(0.5, whole)
            try:
                process.wait(after)
                print(f"kill {kill + 1}: the run had ended before {after:.1f} s")
                for name in (
                    "Trainer",
                    "Transform",
                    "ExampleGen",
                ):  # remove results, so that the next run has work
                    for entry in (troubled / name).glob("[!.]*"):
                        subprocess.run(["rm", "-r", str(entry)], check=True)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                done = sorted(p.parent.parent.name for p in troubled.glob("*/*/artifact.json"))
                print(f"kill {kill + 1}: after {after:.1f} s; finished stages: {', '.join(done)}")
        began = time.monotonic()
        assert quiet(command(args, troubled)).wait() == 0
        print(f"the last run: {time.monotonic() - began:.1f} s")
        marks = (".new-*", ".scratch-*", ".staging-*")
        left = [str(p.relative_to(troubled)) for mark in marks for p in troubled.rglob(mark)]
        same = digests(calm) == digests(troubled)
        a, b = metrics(calm), metrics(troubled)
        worst = max(abs(a[k] - b[k]) for k in a)
        print(f"same digests of data stages: {same}")
        print(f"largest difference of {len(a)} metrics: {worst:.2g}")
        print(f"half-written files: {left or 'none'}")
        if not same or worst > 1e-6 or left or a.keys() != b.keys():
            raise SystemExit(1)


if __name__ == "__main__":
    main()
