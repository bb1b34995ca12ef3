"""FDU-MTL: 16 domains as 16 tasks of one model, as 16 models, and pooled into one task.

    python benchmarks/fdu_sharing.py --data DIR --work DIR --out FILE [--labels 32,all] [--seeds 3]
        [--minilm DIR]

Texts are cut at 4,000 characters, for every model alike. Each domain has its official test reviews.
With `--labels 32` a model may learn from 32 reviews of each domain, half of them positive, drawn by
the seed: the smaller sample is all that a study sees, so validation rows are part of it, too (a
tenth). All ways see the same rows. `--minilm` adds one model of 16 tasks on a frozen MiniLM that
reads the first 128 tokens; DIR is where `make minilm` puts it. Printed is the accuracy on test
reviews, the mean of the domains (pooled: of all reviews, about 400 of each domain), its mean and
standard deviation over seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

import rootstock as rs

LONGEST = 4000
Rows = dict[str, pd.DataFrame]
Results = dict[str, tuple[dict[str, float], float]]


def reviews(data: Path) -> Rows:
    """Columns `text`, `domain` and `answer` by split."""
    parts: dict[str, list[pd.DataFrame]] = {"train": [], "test": []}
    with tarfile.open(data / "fdu_mtl.tar.xz") as archive:
        for member in sorted(archive.getnames()):
            domain, _, split = Path(member).name.partition(".task.")
            file = archive.extractfile(member) if split in parts else None
            if file is None:
                continue
            lines = file.read().decode("utf-8", "replace").splitlines()
            pairs = [line.partition("\t") for line in lines if "\t" in line]
            answers = ["positive" if y.strip() == "1" else "negative" for y, _, _ in pairs]
            texts = [text[:LONGEST] for _, _, text in pairs]
            frame = pd.DataFrame({"text": texts, "domain": domain, "answer": answers})
            parts[split].append(frame)
    return {split: pd.concat(frames, ignore_index=True) for split, frames in parts.items()}


def some(train: pd.DataFrame, labels: int, seed: int) -> pd.DataFrame:
    """So many reviews of each domain, half of them positive."""
    rng = np.random.default_rng(seed)
    chosen = [
        rng.permutation(rows.index.to_numpy())[: labels // 2]
        for _, rows in train.groupby(["domain", "answer"])
    ]
    return train.loc[np.sort(np.concatenate(chosen))]


def write(rows: Rows, folder: Path) -> tuple[str, ...]:
    """Files with one label column for each domain, and one, `answer`, for all."""
    folder.mkdir(parents=True, exist_ok=True)
    domains = tuple(sorted(rows["train"]["domain"].unique()))
    for split, frame in rows.items():
        own = {d: frame["answer"].where(frame["domain"] == d) for d in domains}
        frame.assign(**own).to_parquet(folder / f"{split}.parquet", index=False)
    return domains


def spec(name: str, tasks: tuple[str, ...], arms: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {
        "name": name,
        "data": {
            "sources": [
                {"format": "parquet", "path": "train.parquet"},
                {"format": "parquet", "path": "test.parquet", "split": "test"},
            ],
            "splits": {"train": 0.9, "val": 0.1, "test": 0},
        },
        "inputs": {"text": {"kind": "text", "column": "text"}},
        "tasks": {t: {"kind": "binary", "label": t, "positive": "positive"} for t in tasks},
        "study": {
            "arms": dict(arms),
            "fractions": [1.0],
            "seeds": 2,
            "metrics": dict.fromkeys(tasks, "accuracy"),
            "baselines": ["majority"],
            "controls": [],
        },
        "seed": seed,
        "store": "store",
        "tracking": {"backend": "none"},
    }


def accuracies(
    folder: Path, name: str, tasks: tuple[str, ...], arms: Mapping[str, Any], seed: int
) -> Results:
    """Of each arm: the mean accuracy of two trainings on the test reviews of each task, and CPU
    seconds of one, of those that were not interrupted.
    """
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(spec(name, tasks, arms, seed), sort_keys=False))
    trials: dict[str, list[Any]] = {}
    for trial in rs.study(path, verbosity="quiet").data["trials"]:
        trials.setdefault(trial["arm"], []).append(trial)
    found: Results = {}
    for arm, both in trials.items():
        by_task = {
            t: statistics.mean(trial["tasks"][t]["test"]["accuracy"] for trial in both)
            for t in tasks
        }
        seconds = [sum(c["cpu_seconds"] or np.nan for c in trial["costs"]) for trial in both]
        found[arm] = by_task, float(np.nanmean(seconds))
    return found


def measured(data: Path, work: Path, labels: str, seed: int, minilm: Path | None) -> Results:
    rows = reviews(data)
    if labels != "all":
        rows["train"] = some(rows["train"], int(labels), seed)
    folder = work / f"{labels}-{seed}"
    domains = write(rows, folder)
    sharing: dict[str, Any] = {"together": {"models": "together"}, "each": {"models": "each"}}
    if minilm:
        trunk = {"name": "keras_hub", "preset": str(minilm.absolute()), "length": 128, "windows": 1}
        changed = {"model.trunk": trunk, "model.transfer": "frozen", "model.experts": "auto"}
        sharing["together_minilm"] = {"models": "together", "set": changed}
    own = accuracies(folder, "fdu-domains", domains, sharing, seed)
    pooled = {"pooled": {}, "pooled_experts": {"set": {"model.last_word": "experts"}}}
    return own | accuracies(folder, "fdu-pooled", ("answer",), pooled, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--labels", default="32,all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minilm", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="raw results; what is there stays")
    args = parser.parse_args()
    done = (
        [json.loads(line) for line in args.out.read_text().splitlines()]
        if args.out.exists()
        else []
    )
    for labels in args.labels.split(","):
        for seed in range(args.seeds):
            if any(d["labels"] == labels and d["seed"] == seed for d in done):
                continue
            found = measured(args.data, args.work, labels, seed, args.minilm)
            for arm, (by_task, seconds) in found.items():
                line = {
                    "labels": labels,
                    "seed": seed,
                    "arm": arm,
                    "cpu_seconds": round(seconds, 1),
                }
                done.append(line | {"accuracy": {t: round(a, 5) for t, a in by_task.items()}})
                with args.out.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
        report(labels, [d for d in done if d["labels"] == labels])


def report(labels: str, done: list[dict[str, Any]]) -> None:
    print(f"{labels} labels of each domain")
    for arm in dict.fromkeys(d["arm"] for d in done):
        own = [d for d in done if d["arm"] == arm]
        means = [statistics.mean(d["accuracy"].values()) for d in own]
        spread = statistics.stdev(means) if len(means) > 1 else float("nan")
        seconds = statistics.mean(d["cpu_seconds"] for d in own)
        print(f"  {arm:15} {statistics.mean(means):.4f} ({spread:.4f})  {seconds:.0f} CPU s")


if __name__ == "__main__":
    main()
