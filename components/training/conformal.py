"""Split conformal prediction: intervals and sets that hold the right label in a stated share of
rows, whatever the model (Papadopoulos et al. 2002; Angelopoulos and Bates 2021, arXiv:2107.07511,
section 1).

The radius of a task is the ceil((n + 1) · coverage)-th smallest of the n nonconformity scores of
its validation rows (see `Head.nonconformity`). For rows that are drawn alike, and that had no part
in training, the coverage is then at least what is asked for, and at most 1 / (n + 1) more. How far
it is off because validation rows also stop training and weigh network and experts is measured by
`benchmarks/conformal_coverage.py`. Raw outputs before calibration are used, so that calibration
has no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from components.errors import RootstockError
from components.labels.encoding import labelled
from components.stage import Observer
from components.training.rows import Rows
from components.training.unseen import Unseen
from models.lazy import tf
from models.multitask.model import MultitaskModel
from models.tasks.base import Task

LEVEL = 0.9
"""Share of validation sets for which the coverage lies in the range that is said."""


def check_rows(tasks: Iterable[Task], val: Rows | None) -> None:
    """Check, before training, that there are validation rows enough.

    Raises:
        RootstockError: a task has fewer labelled validation rows than its coverage needs.
    """
    for task in tasks:
        if task.covers is None:
            continue
        rows = 0 if val is None else int(labelled(val.labels[task.name]).sum())
        if rank(rows, task.covers) > rows:
            raise RootstockError(
                f"tasks.{task.name}.coverage: {task.covers:g} needs {fewest(task.covers)} labelled"
                f" validation rows or more. Received {rows}: raise data.splits.val, or lower the"
                " coverage."
            )


def choose_radii(
    model: MultitaskModel, unseen: Mapping[str, Unseen], observer: Observer
) -> dict[str, float]:
    """The radius of each task with `coverage`; says what coverage it may have on other rows."""
    radii = {}
    for head in model.heads:
        name, coverage = head.target.name, head.target.task.covers
        if coverage is None:
            continue
        rows = unseen[name].of_validation
        labels, outputs = tf.constant(rows.labels), tf.constant(rows.outputs, tf.float32)
        radii[name] = radius(head.nonconformity(labels, outputs).numpy(), coverage)
        low, high = reached(len(rows), coverage)
        observer.figure(
            f"{name} coverage",
            f"{coverage:g} asked, {low:.3f} to {high:.3f} expected from {len(rows)}"
            " validation rows",
        )
    return radii


def radius(scores: np.ndarray, coverage: float) -> float:
    """The largest score that is still inside; infinite if there are too few.

    scores: [rows], of rows that the model has not seen.
    """
    place = rank(len(scores), coverage)
    return math.inf if place > len(scores) else float(np.sort(scores)[place - 1])


def rank(rows: int, coverage: float) -> int:
    """ceil((rows + 1) · coverage), without the noise of floating-point numbers."""
    return math.ceil(round((rows + 1) * coverage, 9))


def fewest(coverage: float) -> int:
    """Rows without which intervals would be infinite."""
    return math.ceil(round(coverage / (1 - coverage), 9))


def reached(rows: int, coverage: float) -> tuple[float, float]:
    """The range of the coverage on other rows, for 90 of 100 validation sets of that size: it has a
    beta distribution (Vovk 2012, arXiv:1209.2673, section 3).
    """
    from scipy.stats import beta

    place = rank(rows, coverage)
    low, high = beta.interval(LEVEL, place, rows + 1 - place)
    return float(low), float(high)
