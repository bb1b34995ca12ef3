"""How often do the evaluator's confidence intervals contain the true value? A simulation.

    python benchmarks/interval_coverage.py [--trials 2000] [--replicates 400] [-j 2] [--only WORD]
        [--out benchmarks/results/interval_coverage.jsonl]

The true metrics of a known population are measured on a million rows. Each trial draws a test set,
computes the intervals, and checks whether they contain the true value. `change` is the paired
interval of the difference between two models on the same rows. Nominal coverage: 95 %.

Scenarios vary what makes intervals fail: few rows, few positive rows, models that answer nearly the
same, answers that are nearly always right, and groups of rows that depend on each other.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from components.evaluation.assessment import ALL, Answers, Assessment, assess
from components.evaluation.groups import Groups
from components.evaluation.intervals import Confidence
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.count import CountTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

Floats = NDArray[np.float64]
POPULATION = 1_000_000


@dataclass(frozen=True)
class Scenario:
    """A population, and how test sets are drawn from it.

    rows: of a test set, on average if there are groups. groups: 0 if rows are independent. share:
    the positive class or, of classes, the rarest one. signal: how well the models tell classes
    apart. noise: of the other model; 0.1 makes it answer nearly the same. alike: how much of the
    signal and the noise rows of a group have in common, from 0 to 1.
    """

    kind: str
    rows: int
    share: float = 0.3
    signal: float = 1.5
    noise: float = 1.0
    groups: int = 0
    alike: float = 0.4

    @property
    def name(self) -> str:
        return " ".join(f"{k}={v:g}" if k != "kind" else v for k, v in asdict(self).items())


FEW = [(30, 0.03), (30, 0.2), (100, 0.03), (100, 0.1), (300, 0.03), (300, 0.07), (300, 0.3)]
SCENARIOS = (
    *(Scenario("binary", rows, share, noise=n) for rows, share in FEW for n in (1.0, 0.1)),
    *(Scenario("binary", rows, share, signal=3.0) for rows, share in FEW),
    *(Scenario("binary", rows, share) for rows, share in ((500, 0.3), (2000, 0.03), (2000, 0.5))),
    *(
        Scenario("binary", rows, 0.3, groups=g, alike=alike)
        for g, rows in ((8, 400), (20, 400), (60, 600), (200, 1000))
        for alike in (0.1, 0.6)
    ),
    *(Scenario("binary", 600, 0.07, groups=g, alike=0.3) for g in (20, 60)),
    *(
        Scenario(kind, rows, groups=g)
        for kind in ("multiclass", "multilabel", "regression", "skewed", "count")
        for rows, g in ((30, 0), (100, 0), (500, 0), (400, 8), (400, 30), (600, 60))
    ),
)


class Draw:
    """Random numbers of the rows of a test set; those of a group have a part in common."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator, rows: int) -> None:
        self.rng, self.alike = rng, scenario.alike if scenario.groups else 0.0
        if scenario.groups:
            mean = scenario.rows / scenario.groups
            count = max(round(rows / mean), 1)
            sizes = 1 + rng.negative_binomial(2, 2 / (1 + mean), count)
            self.codes = np.repeat(np.arange(count), sizes)
        else:
            self.codes = np.arange(rows)
        self.rows = len(self.codes)
        self.groups = Groups(self.codes, int(self.codes[-1]) + 1)

    def normal(self, *columns: int) -> Floats:
        """[rows, *columns] with unit variance."""
        own = self.rng.normal(size=(self.rows, *columns))
        if not self.alike:
            return own
        common = self.rng.normal(size=(self.groups.count, *columns))[self.codes]
        return np.asarray(self.alike**0.5 * common + (1 - self.alike) ** 0.5 * own)

    def uniform(self) -> Floats:
        from scipy.special import ndtr

        return np.asarray(ndtr(self.normal()))


Made = tuple["np.ndarray", Floats, Floats]


def _binary(s: Scenario, draw: Draw) -> Made:
    yes = draw.uniform() < s.share
    base = np.log(s.share / (1 - s.share)) - s.signal**2 / 2
    score = draw.normal() + s.signal * yes
    own = score + 0.3 * draw.normal()
    other = (own if s.noise < 0.3 else score) + s.noise * draw.normal()
    p = [_sigmoid(base + s.signal * v)[:, None] for v in (own, other)]
    return yes.astype("float32"), p[0], p[1]


def _multiclass(s: Scenario, draw: Draw) -> Made:
    labels = np.searchsorted((0.4, 0.7, 0.9), draw.uniform()).astype("int32")
    logits = [s.signal * np.eye(4)[labels] + draw.normal(4) for _ in range(2)]
    p = [np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in logits]
    return labels, p[0], p[1]


def _multilabel(s: Scenario, draw: Draw) -> Made:
    labels = np.stack([draw.uniform() < share for share in (0.2, 0.4, 0.6)], 1).astype("float32")
    p = [_sigmoid(draw.normal(3) + 2 * labels - 1) for _ in range(2)]
    return labels, p[0], p[1]


def _regression(s: Scenario, draw: Draw) -> Made:
    labels = 40 + 12 * draw.normal()
    own, other = ((labels + f * draw.normal())[:, None] for f in (5.0, 6.0))
    return labels.astype("float32"), own, other


def _skewed(s: Scenario, draw: Draw) -> Made:
    """Errors of a log-normal amount."""
    labels = np.exp(draw.normal())
    own, other = ((labels * np.exp(f * draw.normal()))[:, None] for f in (0.5, 0.6))
    return labels.astype("float32"), own, other


def _count(s: Scenario, draw: Draw) -> Made:
    expected = np.exp(0.5 * draw.normal())
    labels = draw.rng.poisson(expected)
    own, other = ((expected * np.exp(f * draw.normal()))[:, None] for f in (0.2, 0.4))
    return labels.astype("float32"), own, other


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


WORLDS: dict[str, tuple[TaskTarget, Callable[[Scenario, Draw], Made]]] = {
    "binary": (TaskTarget(task=BinaryTask(name="t", label="y")), _binary),
    "multiclass": (
        TaskTarget(task=MulticlassTask(name="t", label="y"), classes=tuple("abcd")),
        _multiclass,
    ),
    "multilabel": (
        TaskTarget(task=MultilabelTask(name="t", label="y"), classes=tuple("abc")),
        _multilabel,
    ),
    "regression": (TaskTarget(task=RegressionTask(name="t", label="y")), _regression),
    "skewed": (TaskTarget(task=RegressionTask(name="t", label="y")), _skewed),
    "count": (TaskTarget(task=CountTask(name="t", label="y")), _count),
}


@dataclass
class Tally:
    """Of one metric's intervals: trials that have one; those below and above the true value."""

    given: int = 0
    below: int = 0
    above: int = 0
    width: float = 0.0

    def add(self, low: float, high: float, truth: float) -> None:
        self.given += 1
        self.below += high < truth
        self.above += low > truth
        self.width += high - low

    @property
    def covered(self) -> float:
        return 1 - (self.below + self.above) / self.given


def coverage(
    scenario: Scenario,
    trials: int,
    replicates: int,
    run: Callable[..., Iterator[Assessment]] | None = None,
) -> dict[str, Tally]:
    """Tallies by metric, and by `change of <metric>`. Metrics without any interval are left out."""
    rng = np.random.default_rng(0)
    whole = measured(scenario, rng, POPULATION, Confidence(replicates=0))
    one = partial(trial, scenario, replicates=replicates)
    tallies: dict[str, Tally] = {}
    for assessment in (run or map)(one, range(trials)):
        for metric, interval in assessment.intervals.items():
            truth = whole.metrics.values[metric]
            assert truth is not None
            tallies.setdefault(metric, Tally()).add(interval.low, interval.high, truth)
        for metric, change in assessment.changes.items():
            if change.interval is not None:
                low, high = change.interval.low, change.interval.high
                tally = tallies.setdefault(f"change of {metric}", Tally())
                tally.add(low, high, whole.changes[metric].value)
    return tallies


def trial(scenario: Scenario, number: int, *, replicates: int) -> Assessment:
    """One test set; every trial of every scenario has its own random numbers."""
    rng = np.random.default_rng([crc32(scenario.name.encode()), number])
    return measured(scenario, rng, scenario.rows, Confidence(replicates=replicates, seed=number))


def measured(
    scenario: Scenario, rng: np.random.Generator, rows: int, confidence: Confidence
) -> Assessment:
    target, make = WORLDS[scenario.kind]
    draw = Draw(scenario, rng, rows)
    labels, own, other = make(scenario, draw)
    return assess(Answers(target, labels, own, other, None, 0.3, draw.groups), {}, 1, confidence)[
        ALL
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--only", default="", help="scenarios with these words in their name")
    parser.add_argument("--out", type=Path)
    parser.add_argument("-j", "--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    print(f"{args.trials} trials, {args.replicates} resamples; nominal 95 %, 2.5 % on either side")
    with ProcessPoolExecutor(args.processes) as pool:
        for scenario in SCENARIOS:
            if not all(word in scenario.name for word in args.only.split()):
                continue
            run = partial(pool.map, chunksize=10)
            print(scenario.name)
            for metric, t in coverage(scenario, args.trials, args.replicates, run).items():
                shares = [t.covered, t.below / t.given, t.above / t.given, t.given / args.trials]
                text = "  ".join(f"{s:6.1%}" for s in shares)
                print(f"  {metric:32} {text}  width {t.width / t.given:.3g}", flush=True)
                if args.out:
                    record = {**asdict(scenario), "metric": metric, "trials": args.trials}
                    with args.out.open("a") as file:
                        file.write(json.dumps(record | asdict(t)) + "\n")


if __name__ == "__main__":
    main()
