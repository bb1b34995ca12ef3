"""Do the groups of tasks that `rootstock advise` prefers also win in a study?

    python benchmarks/advice_agreement.py SPEC [--data DIR] [--seeds 7] [--workers 2]

Compares two orders of all groupings of a spec's tasks: by the affinities of the advice, and by the
gain that a study measures. The study has an arm for every grouping, so use specs with three or four
tasks. A model that occurs in several groupings is trained once.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import stats

from pipeline.advise.advice import SURE
from pipeline.advise.grouping import score_of
from pipeline.advise.run import give_advice
from pipeline.spec.load import load_spec
from pipeline.study.run import study

Groups = list[list[str]]


def groupings(tasks: list[str]) -> Iterator[Groups]:
    """All ways to divide the tasks into groups."""
    if not tasks:
        yield []
        return
    first, *rest = tasks
    for parts in groupings(rest):
        yield [[first], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [first, *part], *parts[i + 1 :]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data", type=os.path.abspath)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    variables = {"DATA": args.data} if args.data else {}
    spec, _ = load_spec(args.spec, args.overrides, variables)
    tasks = list(spec.tasks)
    named = {"-".join("_".join(group) for group in groups): groups for groups in groupings(tasks)}
    advised = give_advice(args.spec, args.overrides, variables)
    advice_affinity = json.loads((advised / "advice.json").read_text())["affinity"]
    mean, error = np.array(advice_affinity["mean"]), np.array(advice_affinity["error"])
    affinity = np.where(abs(mean) > SURE * error, mean, 0.0)  # insignificant ones count as 0
    settings = {
        "arms": {name: {"models": groups} for name, groups in named.items()},
        "reference": "-".join(tasks),
        "fractions": [1.0],
        "seeds": args.seeds,
        "baselines": [],
        "controls": [],
    }
    overrides = [*args.overrides, f"study={json.dumps(settings)}"]
    directory = study(args.spec, overrides, variables, workers=args.workers)
    assert directory is not None
    report = json.loads((directory / "study.json").read_text())
    gains = {c["claim"]["arm"]: c["gain"] for c in report["comparisons"]}
    gains[report["reference"]] = 0.0
    rows = []
    for name, groups in named.items():
        indices = [[tasks.index(t) for t in sorted(g, key=tasks.index)] for g in groups]
        rows.append((name, sum(score_of(affinity, g) for g in indices), gains[name]))
    print(f"\n{'grouping':40} {'advice':>8} {'measured Δm %':>14}")
    for name, advice, gain in sorted(rows, key=lambda r: -r[2]):
        print(f"{name:40} {advice:8.3f} {gain:14.2f}")
    rank = stats.spearmanr([r[1] for r in rows], [r[2] for r in rows])
    print(f"Spearman's rank correlation over {len(rows)} groupings: {rank.statistic:.2f}")


if __name__ == "__main__":
    main()
