"""One multitask model against a model per task, through the same pipeline, each with a new store.

    python benchmarks/single_vs_multitask.py SPEC [--data DIR] [--set A.B=VALUE]

Every arm is a complete `rootstock run` in a separate process, so its wall time includes everything
from raw files to the pushed model.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts import Evaluation
from pipeline.spec.load import load_spec
from pipeline.store.store import Store


@dataclass(frozen=True)
class Arm:
    """The result of one run. wall_s: seconds of the process; trainer_s: of its Trainer stage."""

    tasks: tuple[str, ...]
    wall_s: float
    trainer_s: float
    metrics: dict[str, dict[str, float | None]]


def run_arm(
    args: argparse.Namespace, store: Path, tasks: tuple[str, ...], known: dict[str, Any]
) -> Arm:
    chosen = json.dumps({t: known[t] for t in tasks})
    command = [sys.executable, "-m", "pipeline.cli.main", "run", str(args.spec), "--no-wait"]
    overrides = [*args.overrides, f"tasks={chosen}", "thresholds=[]", f"store={store}"]
    overrides.append(f"push.destination={store / 'serving'}")
    for override in overrides:
        command += ["--set", override]
    if args.data:
        command += ["--data", args.data]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - began
    trainer, evaluator = Store(store).latest("Trainer"), Store(store).latest("Evaluator")
    assert trainer is not None
    assert evaluator is not None
    evaluation = json.loads(
        (Evaluation(evaluator.path / "evaluation").path / "evaluation.json").read_text()
    )
    metrics = {t: evaluation["tasks"][t]["values"] for t in tasks}
    return Arm(tasks, wall, trainer.seconds, metrics)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data", type=os.path.abspath)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    args = parser.parse_args()
    spec, file = load_spec(args.spec, args.overrides, {"DATA": args.data} if args.data else {})
    tasks = tuple(spec.tasks)
    with tempfile.TemporaryDirectory() as root:
        chosen = [tasks, *[(t,) for t in tasks]]
        known = file.content["tasks"]
        arms = [run_arm(args, Path(root) / "-".join(c), c, known) for c in chosen]
    figures = ("AUC", "accuracy", "F1", "wall s", "Trainer s")
    print(f"{'arm':24} {'task':12}", *[f"{name:>9}" for name in figures])
    for arm in arms:
        for task, m in arm.metrics.items():
            row = [m.get("auc"), m.get("accuracy"), m.get("f1")]
            shown = [f"{v:9.4f}" if v is not None else f"{'':9}" for v in row]
            times = f"{arm.wall_s:9.1f} {arm.trainer_s:9.1f}"
            print(f"{'+'.join(arm.tasks):24} {task:12}", *shown, times)
    multi, single = arms[0], arms[1:]
    for what, whole, parts in (
        ("wall", multi.wall_s, sum(a.wall_s for a in single)),
        ("Trainer", multi.trainer_s, sum(a.trainer_s for a in single)),
    ):
        print(f"{what}: multitask {whole:.1f} s, the others {parts:.1f} s: {whole / parts:.2f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"peak memory of the largest process: {peak:.2f} GiB")


if __name__ == "__main__":
    main()
