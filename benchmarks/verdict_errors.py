"""How often is a study's verdict wrong? A simulation over families of differences between two arms.

    python benchmarks/verdict_errors.py [--studies 2000] [-j 2] [--out results.jsonl]

Each study has as many seeds as `fewest_seeds` says, and draws the differences of its tasks from one
family. Three truths: nothing differs (a verdict of helps or hurts is wrong), every task differs by
exactly the margin (equivalent is wrong), and half of the tasks each (both are wrong). The truth is
that of the mean over all seeds or of the median. A study is wrong if the verdict on any task is.
The promise is alpha, 5 %.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from pipeline.study.statistics import fewest_seeds
from pipeline.study.verdict import Decision, Differences, decide

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
ALPHA = 0.05
TASKS = (1, 3, 10)
TRUTHS = ("no difference", "the margin", "mixed")
MARGINS = {"no difference": 0.1, "the margin": 1.0, "mixed": 1.0}
"""By truth. A small one where nothing differs, because `equivalent` would be right there."""


def _collapsing(rng: np.random.Generator, seeds: int) -> Floats:
    return np.where(rng.random(seeds) < 0.1, -9.0, 1.0) + rng.normal(0, 0.2, seeds)


FAMILIES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.normal(0, 1, n), 0.0),
    "uniform": (lambda rng, n: rng.uniform(-1.5, 1.5, n), 0.0),
    "skewed up": (lambda rng, n: rng.exponential(1, n) - 1, log(2) - 1),
    "skewed down": (lambda rng, n: 1 - rng.exponential(1, n), 1 - log(2)),
    "heavy tails": (lambda rng, n: rng.standard_t(3, n), 0.0),
    "bimodal": (lambda rng, n: rng.choice([-1.0, 1.0], n) + rng.normal(0, 0.1, n), 0.0),
    "tied": (lambda rng, n: np.round(rng.normal(0, 1.2, n)), 0.0),
    "collapse one in ten": (_collapsing, 0.972),
    "lognormal": (lambda rng, n: rng.lognormal(0, 1, n) - exp(0.5), 1 - exp(0.5)),
}
"""Draws with mean 0, and their median. The last two are outside of what is promised for means."""


def errors(family: str, of: str, truth: str, tasks: int, studies: int) -> dict[str, object]:
    """The share of studies with a wrong verdict. of: `mean` or `median`."""
    draw, median = FAMILIES[family]
    shift = median if of == "median" else 0.0
    seeds, wrong, said = fewest_seeds(tasks, ALPHA), 0, 0
    key = [list(FAMILIES).index(family), tasks, TRUTHS.index(truth), of == "mean"]
    rng = np.random.default_rng(key)
    for _ in range(studies):
        truths = [_distance(truth, task) for task in range(tasks)]
        comparison = [
            Differences(f"t{i}", draw(rng, seeds) - shift + distance, MARGINS[truth])
            for i, distance in enumerate(truths)
        ]
        decisions = decide(comparison, ALPHA)
        wrong += any(_is_wrong(d, t) for d, t in zip(decisions, truths, strict=True))
        said += any(d.outcome != "undecided" for d in decisions)
    return {
        "family": family,
        "truth": truth,
        "of": of,
        "tasks": tasks,
        "seeds": seeds,
        "studies": studies,
        "wrong": wrong / studies,
        "decided": said / studies,
    }


def _distance(truth: str, task: int) -> float:
    """By how much the arms differ: 0 or the margin, in either direction."""
    at_margin = truth == "the margin" or (truth == "mixed" and task % 2 == 1)
    return (-1 if task % 4 in (2, 3) else 1) * MARGINS[truth] if at_margin else 0.0


def _is_wrong(decision: Decision, distance: float) -> bool:
    if distance == 0:
        return decision.outcome in ("helps", "hurts")
    return decision.outcome in ("equivalent", "hurts" if distance > 0 else "helps")


def simulate(studies: int, processes: int) -> Iterator[dict[str, object]]:
    cases = list(product(FAMILIES, ("mean", "median"), TRUTHS, TASKS))
    cases = [c for c in cases if c[2] != "mixed" or c[3] > 1]
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(partial(_one, studies), cases)


def _one(studies: int, case: tuple[str, str, str, int]) -> dict[str, object]:
    return errors(*case, studies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("-j", "--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=argparse.FileType("w"), default=sys.stdout)
    args = parser.parse_args()
    for result in simulate(args.studies, args.processes):
        print(json.dumps(result), file=args.out, flush=True)


if __name__ == "__main__":
    main()
