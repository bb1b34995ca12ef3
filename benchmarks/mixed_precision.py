"""What `training.mixed_precision` changes: metrics of the test split, and the speed of training.

    python benchmarks/mixed_precision.py SPEC [--data DIR] [--seeds 3] [--set training.epochs=2]

Runs a spec with each seed in float32 and in bfloat16, in one store, so that both have the same rows
and the same initial weights. A difference is that of a pair of runs. `steps/s` is that of the
fastest epoch; on a busy machine it is rough.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from pipeline.run import run
from pipeline.store.store import Store

ARMS = {"float32": False, "bfloat16": True}


def figures(
    spec: Path, data: str, seed: int, mixed: bool, root: Path, more: list[str]
) -> dict[str, float]:
    """Metrics by `task metric`, and steps per second."""
    overrides = {
        "seed": seed,
        "training.mixed_precision": json.dumps(mixed),
        "tracking.backend": "none",
        "push.destination": root / "serving",
        "store": root,
    }
    result = run(spec, [*(f"{k}={v}" for k, v in overrides.items()), *more], {"DATA": data})
    evaluation = json.loads((result.evaluation.path / "evaluation.json").read_text())
    found = {
        f"{task} {metric}": value
        for task, of_task in evaluation["tasks"].items()
        for metric, value in of_task["values"].items()
        if metric in ("auc", "accuracy", "log_loss") and value is not None
    }
    entry = Store(root).latest("Trainer")
    assert entry is not None
    return found | {"steps/s": float(entry.figures["steps_per_second"])}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    taken: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    with tempfile.TemporaryDirectory() as root:
        for seed in range(args.seeds):
            for arm, mixed in ARMS.items():
                one = figures(args.spec, args.data, seed, mixed, Path(root), args.set)
                taken[arm].append(one)
    print(f"\n{args.spec.name}, {args.seeds} seeds   float32   bfloat16   difference of each pair")
    for name in taken["float32"][0]:
        both = [[each[name] for each in taken[arm]] for arm in ARMS]
        pairs = " ".join(f"{b - a:+.4f}" for a, b in zip(*both, strict=True))
        means = "".join(f"{statistics.mean(values):11.4f}" for values in both)
        print(f"{name:24}{means}   {pairs}")


if __name__ == "__main__":
    main()
