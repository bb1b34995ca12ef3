"""Does one model that learns from an ensemble keep what the ensemble gains? On test rows.

    python benchmarks/auto_distilled.py --data DIR --work DIR [--sets digits,wine] [--seeds 3]
        [--members 4] [--set model.experts=none] [--out benchmarks/results/auto_distilled.jsonl]

For each set and seed of the split: one model of the default spec of `init` (with the changes of
`--set`), the mean of `--members` of them from other random numbers, and one model with the
structure of the first that learned from this mean, as `rootstock auto --latency-ms` makes it. `ms`:
for one row, of the SavedModel without a server. Test rows took no part in any choice.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml
from best_answer_data import problem_of
from best_answer_ours import starter

from components.evaluation.metrics import family_of
from pipeline.auto.attempt import one_row_ms
from pipeline.run import run
from serving.server.saved_model import SavedModel


def content_of(path: Path, changes: dict[str, Any], members: int, kind: str) -> dict[str, Any]:
    """The spec of a single model, of an ensemble, or of a model that learns from it."""
    spec: dict[str, Any] = yaml.safe_load(path.read_text())
    spec["push"] = {"destination": f"pushed-{kind}"}
    for key, value in changes.items():
        *sections, last = key.split(".")
        place = spec
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    if kind != "single":
        shares = [{"set": {"seed": spec["seed"] + 100 * i}} for i in range(members)]
        spec["ensemble"] = [{"share": 1 / members, **share} for share in shares]
    if kind == "distilled":
        spec["distilled"] = {"set": {}}
    return spec


def line_of(path: Path) -> dict[str, Any]:
    """Metrics on test rows by task, and the latency, of the model of a spec."""
    result = run(path, wait=False, verbosity="quiet")
    report = json.loads((result.evaluation.path / "evaluation.json").read_text())
    tasks = {
        name: {
            m: task["values"][m]
            for m in (*family_of(task["kind"]).names[:1], "log_loss")
            if m in task["values"]
        }
        for name, task in report["tasks"].items()
    }
    ms = one_row_ms(SavedModel(result.model.saved_model), result.model)
    return {"ms": ms, "mb": round(result.model.size_mb(), 2), "tasks": tasks}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default="digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    pairs = (text.partition("=") for text in args.changes)
    changes = {key: yaml.safe_load(value) for key, _, value in pairs}
    for name in args.sets.split(","):
        for seed in range(args.seeds):
            folder = args.work / f"{name}-{seed}"
            path = folder / "spec.yaml"
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                path = starter(problem_of(name, args.data, seed), folder, seed)
            for kind in ("single", "ensemble", "distilled"):
                own = folder / f"{kind}.yaml"
                own.write_text(yaml.safe_dump(content_of(path, changes, args.members, kind)))
                line = {"set": name, "seed": seed, "kind": kind, "members": args.members}
                line |= {"changes": args.changes, **line_of(own)}
                print(line, flush=True)
                if args.out:
                    with args.out.open("a", encoding="utf-8") as out:
                        out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
