"""Two tasks, one with few labels: train on all rows, or only on rows with both labels?

    python benchmarks/partial_labels.py --data DIR --work DIR [--share 0.05] [--seeds 3]

Census: every training row has the label `income`; a random share of them also has `married`.

- masked: all rows, as Rootstock trains
- dropped: only the rows with both labels
- dropped, as long: the same, for as many steps as masked training

The test split has all labels.
"""

from __future__ import annotations

import argparse
import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sharing_study import trial

SPEC = Path(__file__).parents[1] / "examples/census/census.yaml"
LABEL, FILES = "marital-status", {"train": "census-income.data.gz", "test": "census-income.test.gz"}


def prepare(data: Path, work: Path, share: float, seed: int) -> dict[str, Path]:
    """Write a spec for each arm, and the rows that it reads."""
    content: dict[str, Any] = yaml.safe_load(SPEC.read_text())
    source = content["data"]["sources"][0]
    frames = {
        split: pd.read_csv(
            data / file,
            names=source["columns"],
            skipinitialspace=True,
            na_values=["?"],
            comment="|",
        )
        for split, file in FILES.items()
    }
    known = np.random.default_rng(seed).random(len(frames["train"])) < share
    masked = frames["train"].assign(**{LABEL: frames["train"][LABEL].where(known)})
    arms = {"masked": masked, "dropped": masked[known]}
    specs = {}
    for arm, rows in arms.items():
        directory = work / f"seed{seed}" / arm
        directory.mkdir(parents=True, exist_ok=True)
        for split, frame in (("train", rows), ("test", frames["test"])):
            frame.to_parquet(directory / f"{split}.parquet", index=False)
        sources = [
            {"format": "parquet", "path": f"{split}.parquet", "split": split} for split in FILES
        ]
        content["data"] = {"sources": sources}
        specs[arm] = directory / "spec.yaml"
        specs[arm].write_text(yaml.safe_dump(content, sort_keys=False))
    return specs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=lambda p: Path(os.path.abspath(p)), required=True)
    parser.add_argument("--work", type=lambda p: Path(os.path.abspath(p)), required=True)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for seed in range(args.seeds):
        specs = prepare(args.data, args.work, args.share, seed)
        longer = f"training.epochs={round(3 / args.share)}"
        for arm, spec, more in (
            ("masked", specs["masked"], []),
            ("dropped", specs["dropped"], []),
            ("dropped, as long", specs["dropped"], [longer]),
        ):
            result = trial(spec, args.work / f"seed{seed}", [f"seed={seed}", *more])
            by_arm.setdefault(arm, []).append(result)
            print(seed, arm, result["auc"], f"{result['seconds']:.1f} s", flush=True)
    tasks = list(by_arm["masked"][0]["auc"])
    print(
        f"\n| rows | {' | '.join(f'AUC {t}' for t in tasks)} |\n| --- "
        + "| --- " * len(tasks)
        + "|"
    )
    for arm, results in by_arm.items():
        scores = [[r["auc"][t] for r in results] for t in tasks]
        cells = [f"{statistics.mean(s):.4f} ± {statistics.pstdev(s):.4f}" for s in scores]
        print(f"| {arm} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
