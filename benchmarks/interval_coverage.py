"""How often do the evaluator's confidence intervals contain the true value? A simulation.

    python benchmarks/interval_coverage.py [--trials 2000] [--rows 500] [--replicates 400] [-j 2]

The true metrics of a known population are measured on a million rows. Each trial draws a test set,
computes the intervals, and checks whether they contain the true value. `change` is the paired
interval of the difference between two models on the same rows. Nominal coverage: 95 %.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from components.evaluation.assessment import ALL, Answers, Assessment, assess
from components.evaluation.intervals import Confidence
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

Floats = NDArray[np.float64]
POPULATION = 1_000_000


@dataclass(frozen=True)
class World:
    """A task, and the distribution of its labels and of the outputs of two models."""

    target: TaskTarget
    draw: Callable[[np.random.Generator, int], tuple[np.ndarray, Floats, Floats]]


def _binary(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, Floats, Floats]:
    signal = rng.normal(size=rows)
    labels = (rng.random(rows) < _sigmoid(signal * 1.5 - 0.5)).astype("float32")
    noise = rng.normal(size=(2, rows))
    logits = signal * 1.5 - 0.5 + np.array([[0.5], [1.0]]) * noise
    p = _sigmoid(logits)[:, :, None]
    return labels, p[0], p[1]


def _multiclass(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, Floats, Floats]:
    labels = rng.choice(4, rows, p=(0.4, 0.3, 0.2, 0.1)).astype("int32")
    logits = rng.normal(size=(2, rows, 4)) + 1.5 * np.eye(4)[labels]
    e = np.exp(logits)
    p = e / e.sum(axis=-1, keepdims=True)
    return labels, p[0], p[1]


def _multilabel(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, Floats, Floats]:
    labels = (rng.random((rows, 3)) < (0.2, 0.4, 0.6)).astype("float32")
    p = _sigmoid(rng.normal(size=(2, rows, 3)) + 2 * labels - 1)
    return labels, p[0], p[1]


def _regression(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, Floats, Floats]:
    labels = rng.normal(40, 12, rows).astype("float32")
    noise = rng.normal(0, 5, (2, rows))
    return labels, (labels + noise[0])[:, None], (labels + 1.2 * noise[1])[:, None]


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


WORLDS = {
    "binary": World(TaskTarget(task=BinaryTask(name="t", label="y")), _binary),
    "multiclass": World(
        TaskTarget(task=MulticlassTask(name="t", label="y"), classes=tuple("abcd")), _multiclass
    ),
    "multilabel": World(
        TaskTarget(task=MultilabelTask(name="t", label="y"), classes=tuple("abc")), _multilabel
    ),
    "regression": World(TaskTarget(task=RegressionTask(name="t", label="y")), _regression),
}


def coverage(
    kind: str, trials: int, rows: int, replicates: int, pool: ProcessPoolExecutor
) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of trials whose interval contains the true value and the true change, by metric."""
    rng = np.random.default_rng(0)
    whole = _assess(WORLDS[kind], rng, POPULATION, Confidence(replicates=0))
    values, changes = Counter[str](), Counter[str]()
    one = partial(_trial, kind, rows=rows, replicates=replicates)
    for assessment in pool.map(one, range(trials), chunksize=10):
        for metric, interval in assessment.intervals.items():
            truth = whole.metrics.values[metric]
            assert truth is not None
            values[metric] += interval.low <= truth <= interval.high
        for metric, change in assessment.changes.items():
            if change.interval is not None:
                truth = whole.changes[metric].value
                changes[metric] += change.interval.low <= truth <= change.interval.high
    return _shares(values, trials), _shares(changes, trials)


def _trial(kind: str, trial: int, *, rows: int, replicates: int) -> Assessment:
    """One test set; every trial of every world has its own random numbers."""
    rng = np.random.default_rng([list(WORLDS).index(kind), trial])
    return _assess(WORLDS[kind], rng, rows, Confidence(replicates=replicates, seed=trial))


def _shares(counts: Counter[str], trials: int) -> dict[str, float]:
    return {metric: count / trials for metric, count in counts.items()}


def _assess(
    world: World, rng: np.random.Generator, rows: int, confidence: Confidence
) -> Assessment:
    labels, candidate, champion = world.draw(rng, rows)
    answers = Answers(world.target, labels, candidate, champion, None, 0.5)
    return assess(answers, {}, 1, confidence)[ALL]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("-j", "--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    print(f"{args.trials} trials of {args.rows} rows, {args.replicates} resamples; nominal 95 %")
    with ProcessPoolExecutor(args.processes) as pool:
        for kind in WORLDS:
            values, changes = coverage(kind, args.trials, args.rows, args.replicates, pool)
            for metric in values:
                print(
                    f"{kind:11} {metric:24} {values[metric]:7.1%}   change {changes[metric]:7.1%}"
                )


if __name__ == "__main__":
    main()
