"""Transfer modes, training from scratch and classical models, by number of labels.

    python benchmarks/transfer_study.py sms --data DIR --work DIR --preset DIR \
        [--sizes 16,64,256,1024,all] [--per-class 8,64] [--seeds 3] [--arms scratch,frozen,...] \
        [--length 64] [--test-rows 1000] [--max-train N] [--minutes M] [--set ARM:key=value]

Every arm with Keras is a complete run of the pipeline. Every trial has its own process, because a
process that has trained dozens of models is slower and larger. Budgets are fixed (`ARMS`): no
validation rows, no early stopping, nothing is chosen by its score. All arms with the same size and
seed see the same labelled rows. All are measured on the same test rows: F1 at a probability of 0.5
(a linear SVM: at decision 0). Arms from scratch know the words of all training texts, because
Transform builds the vocabulary.

Each result is appended to `<work>/results.jsonl` at once; existing ones are not repeated. The
report is printed at the end, and at any time by `benchmarks/study_report.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC
from study_data import DATASETS, prepare
from study_report import report

from components.evaluation.metrics import measure
from components.labels.encoding import encode, resolve
from components.training.subset import Subset, chosen_rows
from models.tasks.binary import BinaryTask
from pipeline.run import run
from pipeline.store.store import Store

TASK = BinaryTask(name="spam", label="label", positive=("spam",))
LENGTHS = {"sms": 64, "mail": 128, "enron": 128}


@dataclass(frozen=True)
class Arm:
    """A mode and its budget: at least `steps` steps and at least `epochs` epochs.

    transfer: None for a trunk from scratch.
    """

    transfer: str | None
    learning_rate: float
    steps: int
    epochs: int


ARMS = {
    "scratch": Arm(None, 1e-3, 300, 12),
    "frozen": Arm("frozen", 1e-2, 300, 20),
    "lora": Arm("lora", 1e-3, 100, 3),
    "fine_tune": Arm("fine_tune", 1e-3, 100, 3),
}
"""Learning rates are those of the heads; each mode's default gives the trunk a share of it."""


def svm(rows: int) -> Pipeline:
    """Character n-grams and a linear SVM."""
    vectors = TfidfVectorizer(
        analyzer="char", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32
    )
    vectors.set_params(min_df=2 if rows > 1024 else 1)
    return make_pipeline(vectors, LinearSVC())


def balanced_svm(rows: int) -> Pipeline:
    """The same with balanced class weights."""
    return svm(rows).set_params(linearsvc__class_weight="balanced")


def logistic(rows: int) -> Pipeline:
    """Words and logistic regression."""
    return make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10))


CUT = "_cut"
"""Suffix of arms that read only the first `length` words, like those with Keras (BERT: tokens)."""
CLASSICAL = {"tfidf_svm": svm, "tfidf_svm_balanced": balanced_svm, "tfidf_logistic": logistic}
CLASSICAL |= {name + CUT: make for name, make in CLASSICAL.items()}


@dataclass(frozen=True)
class Size:
    """How many labels. rows: in total. subset: as in a spec, without its seed; None for all."""

    name: str
    rows: int
    subset: dict[str, int] | None


@dataclass(frozen=True)
class Study:
    """A prepared data set. overrides: changes of the spec, by arm."""

    dataset: str
    work: Path
    preset: str | None
    length: int
    overrides: dict[str, list[str]]

    def spec(self) -> Path:
        """Write the common spec; arms override model, training and seed."""
        content = {
            "name": self.dataset,
            "data": {
                "sources": [
                    {"format": "parquet", "path": f"{split}.parquet", "split": split}
                    for split in ("train", "test")
                ]
            },
            "inputs": {"text": {"kind": "text", "length": self.length}},
            "tasks": {"spam": {"kind": "binary", "label": TASK.label, "positive": "spam"}},
            "tracking": {"backend": "none"},
            "store": "store",
            "push": {"destination": "pushed"},
        }
        path = self.work / "study.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def keras(self, name: str, size: Size, seed: int) -> dict[str, Any]:
        """Run the pipeline; results that only this arm uses are removed from the store."""
        with contextlib.redirect_stdout(io.StringIO()):
            result = run(self.spec(), self._arm_overrides(name, size, seed), wait=False)
        entry = json.loads((result.model.path.parent / "artifact.json").read_text())
        evaluation = json.loads((result.evaluation.path / "evaluation.json").read_text())
        measured = figures(evaluation["tasks"][TASK.name]) | {"seconds": entry["seconds"]}
        for key in ("parameters", "trainable_parameters", "epochs", "steps_per_second"):
            measured[key] = entry["figures"].get(key)
        if (embed := Store(self.work / "store").latest("Embed")) and name == "frozen":
            measured["embed_seconds"] = embed.seconds
        for made in (result.model, result.evaluation, *result.blessings, result.pushed):
            shutil.rmtree(made.path.parent, ignore_errors=True)
        shutil.rmtree(self.work / "pushed", ignore_errors=True)
        return measured

    def _arm_overrides(self, name: str, size: Size, seed: int) -> list[str]:
        arm = ARMS[name]
        model: dict[str, Any] = {"trunk": {"name": "scratch"}}
        if arm.transfer:
            trunk = {"name": "keras_hub", "preset": self.preset, "length": self.length}
            model = {"trunk": trunk, "transfer": {"name": arm.transfer}}
        batch = 8 if size.rows <= 16 else 16 if size.rows <= 256 else 32
        training: dict[str, Any] = {
            "batch_size": batch,
            "epochs": max(arm.epochs, math.ceil(arm.steps / math.ceil(size.rows / batch))),
            "learning_rate": arm.learning_rate,
        }
        if size.subset:
            training["subset"] = size.subset | {"seed": seed}
        base = {"model": model, "training": training, "seed": seed}
        return [f"{k}={json.dumps(v)}" for k, v in base.items()] + self.overrides.get(name, [])

    def classical(self, name: str, size: Size, seed: int) -> dict[str, Any]:
        """Fit a classical model on the same rows."""
        train, test = (pq.read_table(self.work / f"{s}.parquet") for s in ("train", "test"))
        target = resolve(TASK, train["label"])
        y = encode(target, train["label"], len(train))
        rows = np.arange(len(y))
        if size.subset:
            rows = chosen_rows(Subset(**size.subset, seed=seed), {TASK.name: y}, (target,))
        texts, unseen = train["text"].take(rows).to_pylist(), test["text"].to_pylist()
        if name.endswith(CUT):
            texts, unseen = (
                [" ".join(text.split()[: self.length]) for text in part] for part in (texts, unseen)
            )
        began = time.perf_counter()
        model = CLASSICAL[name](len(rows))
        model.fit(texts, y[rows])
        seconds = time.perf_counter() - began
        decision = model.decision_function(unseen)
        measured = measure(
            target, encode(target, test["label"], len(test)), 1 / (1 + np.exp(-decision))
        )
        task = {"values": measured.values, "confusion": measured.confusion}
        return figures(task) | {"seconds": seconds, "parameters": model[-1].coef_.size}


def figures(task: dict[str, Any]) -> dict[str, float | None]:
    """Metrics of a binary task's evaluation, and Matthews' correlation coefficient."""
    (tn, fp), (fn, tp) = task["confusion"]
    scale = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    values = {name: task["values"][name] for name in ("f1", "best_f1", "auc", "accuracy")}
    return values | {"mcc": (tp * tn - fp * fn) / scale if scale else 0.0}


def sizes(rows: int, totals: str, per_class: str) -> list[Size]:
    """The sizes of the command line, fewest labels first."""
    chosen = [Size(f"{n}/class", 2 * int(n), {"per_class": int(n)}) for n in _listed(per_class)]
    for n in _listed(totals):
        if n == "all":
            chosen.append(Size(n, rows, None))
        else:
            chosen.append(Size(n, int(n), {"rows": int(n)}))
    if too_large := [s.name for s in chosen if s.rows > rows]:
        raise SystemExit(f"{', '.join(too_large)}: there are {rows} training rows only.")
    return sorted(chosen, key=lambda s: s.rows)


def _listed(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def results(path: Path) -> Iterator[dict[str, Any]]:
    """The results so far, without a line that was cut off."""
    if path.exists():
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("--data", type=lambda p: Path(os.path.abspath(p)), required=True)
    parser.add_argument("--work", type=lambda p: Path(os.path.abspath(p)), required=True)
    parser.add_argument("--preset", type=os.path.abspath)
    parser.add_argument("--sizes", default="16,64,256,1024,all")
    parser.add_argument("--per-class", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", default=",".join([*CLASSICAL, *ARMS]))
    parser.add_argument("--length", type=int, help="tokens, or words from scratch")
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--max-train", type=int)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="start no trial after this time"
    )
    parser.add_argument(
        "--rehearse", action="store_true", help="test on rows taken from the training split"
    )
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="ARM:key=value"
    )
    args = parser.parse_args()
    arms = _listed(args.arms)
    if unknown := {*arms, *(o.partition(":")[0] for o in args.overrides)} - {*CLASSICAL, *ARMS}:
        raise SystemExit(f"unknown arms: {', '.join(sorted(unknown))}")
    if not args.preset and any(a in ARMS and ARMS[a].transfer for a in arms):
        raise SystemExit("give --preset, or leave the arms with transfer out")
    return args


def main() -> None:
    args = arguments()
    end = time.monotonic() + 60 * args.minutes
    prepare(args.dataset, args.data, args.work, args.max_train, args.test_rows, args.rehearse)
    arms, length = _listed(args.arms), args.length or LENGTHS[args.dataset]
    pairs = [o.partition(":") for o in args.overrides]
    overrides = {arm: [o for a, _, o in pairs if a == arm] for arm in arms}
    study = Study(args.dataset, args.work, args.preset, length, overrides)
    rows = pq.read_metadata(args.work / "train.parquet").num_rows
    file = args.work / "results.jsonl"
    done = [(r["arm"], r["size"], r["seed"], r["overrides"]) for r in results(file)]
    wanted = sizes(rows, args.sizes, args.per_class)
    for seed, size, arm in product(range(args.seeds), wanted, arms):
        if (arm, size.name, seed, overrides[arm]) in done:
            continue
        if time.monotonic() > end:
            print(f"{args.minutes:g} minutes are over.")
            break
        began = time.perf_counter()
        run_one = study.keras if arm in ARMS else study.classical
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            measured = alone.submit(run_one, arm, size, seed).result()
        line = {"dataset": args.dataset, "arm": arm, "size": size.name, "rows": size.rows}
        line |= {"seed": seed, "overrides": overrides[arm], "length": length, **measured}
        line["whole_seconds"] = time.perf_counter() - began
        with file.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        scores = f"F1 {measured['f1']:.4f} AUC {measured['auc']:.4f}"
        print(
            f"{arm} {size.name} seed {seed}: {scores} in {line['whole_seconds']:.1f} s", flush=True
        )
    print(report(list(results(file))))


if __name__ == "__main__":
    main()
