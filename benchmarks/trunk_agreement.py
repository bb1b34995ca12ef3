"""Does `rootstock advise` rank trunks in the same order as `rootstock study`?

    python benchmarks/trunk_agreement.py SPEC [--data DIR] [--set KEY=VALUE] [--workers 2]

The spec's study has an arm for each trunk, as in examples/objects/trunks.yaml and
examples/spam/trunks.yaml. A trunk's measured value is the mean over seeds and tasks of the metric
on test rows, with all training rows of the study.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from pipeline.advise.run import give_advice
from pipeline.spec.load import load_spec
from pipeline.spec.metrics import sign
from pipeline.study.run import study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data", type=os.path.abspath)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    variables = {"DATA": args.data} if args.data else {}
    advised = give_advice(args.spec, args.overrides, variables)
    advice = {t["arm"]: t for t in json.loads((advised / "advice.json").read_text())["trunks"]}
    directory = study(args.spec, args.overrides, variables, workers=args.workers)
    assert directory is not None
    spec, _ = load_spec(args.spec, args.overrides, variables)
    report = json.loads((directory / "study.json").read_text())
    signs = {task: sign(spec, task, metric) for task, metric in report["metrics"].items()}
    measured = {arm: np.mean(_values(report, signs, arm)) for arm in advice}
    print(f"\n{'trunk':16} {'rank by advice':>14} {'measured':>9} {'± seeds':>8}")
    for arm in sorted(measured, key=lambda a: -measured[a]):
        spread = np.std(_values(report, signs, arm).mean(axis=1), ddof=1)
        print(f"{arm:16} {advice[arm]['rank']:14.2f} {measured[arm]:9.4f} {spread:8.4f}")
    order = list(measured.values())
    by = {"all scores": [-advice[a]["rank"] for a in measured]}
    task = next(iter(signs))
    for score in advice[next(iter(advice))]["scores"][task]:
        by[score] = [np.mean([s[score] for s in advice[a]["scores"].values()]) for a in measured]
    print(f"\nAgreement over {len(order)} trunks   Spearman  Kendall  chosen one's loss")
    for name, scores in by.items():
        chosen = order[int(np.argmax(scores))]
        rho, tau = stats.spearmanr(scores, order), stats.kendalltau(scores, order)
        loss = max(order) - chosen
        print(f"{name:26} {rho.statistic:8.2f} {tau.statistic:8.2f} {loss:18.4f}")


def _values(report: dict[str, Any], signs: dict[str, int], arm: str) -> np.ndarray:
    """Test metrics [seeds, tasks], with signs such that more is better."""
    fraction = max(t["fraction"] for t in report["trials"])
    cells = [t for t in report["trials"] if (t["arm"], t["fraction"]) == (arm, fraction)]
    metrics = report["metrics"]
    return np.array(
        [[signs[t] * c["tasks"][t]["test"][metrics[t]] for t in metrics] for c in cells]
    )


if __name__ == "__main__":
    main()
