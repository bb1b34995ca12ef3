"""Split conformal prediction: intervals and sets that hold the right label in a stated share of
rows, whatever the model (Papadopoulos et al. 2002; Angelopoulos and Bates 2021, arXiv:2107.07511,
section 1).

The radius of a task is the ceil((n + 1) · coverage)-th smallest of the n nonconformity scores of
its validation rows (see `Head.nonconformity`). Rows of one group (`data.key`) are alike. There the
n groups weigh the same, and each divides its weight among its rows: the coverage is then that of a
row of a new group, where every group counts alike (Lee, Barber and Willett 2023, arXiv:2306.06342,
section 3). For rows that are drawn alike, and that had no part
in training, the coverage is then at least what is asked for, and at most 1 / (n + 1) more. How far
it is off because validation rows also stop training and weigh network and experts is measured by
`benchmarks/conformal_coverage.py`. Raw outputs before calibration are used, so that calibration
has no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from components.calibration.unseen import Unseen
from components.errors import RootstockError
from components.labels.encoding import labelled
from components.stage import Observer
from models.lazy import tf
from models.multitask.answering import Answering
from models.tasks.base import Task

LEVEL = 0.9
"""Share of validation sets for which the coverage lies in the range that is said."""


def check_rows(
    tasks: Iterable[Task], val: Mapping[str, np.ndarray] | None, groups: np.ndarray | None = None
) -> None:
    """Check, before training, that there are validation rows enough.

    val: encoded labels of the validation rows by task; None if there are no such rows.
    groups: int64 [rows], of the validation rows; None if each is one of its own.

    Raises:
        RootstockError: a task has fewer labelled validation rows, or groups of them, than its
            coverage needs.
    """
    for task in tasks:
        if task.covers is None:
            continue
        known = np.zeros(0, bool) if val is None else labelled(val[task.name])
        what = "" if groups is None else "groups of "
        count = int(known.sum()) if groups is None else len(np.unique(groups[known]))
        if rank(count, task.covers) > count:
            raise RootstockError(
                f"tasks.{task.name}.coverage: {task.covers:g} needs {fewest(task.covers)} {what}"
                f"labelled validation rows or more. Received {count}: raise data.splits.val, or"
                " lower the coverage."
            )


def choose_radii(
    answering: Answering, unseen: Mapping[str, Unseen], observer: Observer
) -> dict[str, float]:
    """The radius of each task with `coverage`; says what coverage it may have on other rows."""
    radii = {}
    for head in answering.heads:
        name, coverage = head.target.name, head.target.task.covers
        if coverage is None:
            continue
        rows = unseen[name].of_validation
        labels, outputs = tf.constant(rows.labels), tf.constant(rows.outputs, tf.float32)
        scores, count = head.nonconformity(labels, outputs).numpy(), int(rows.groups.max()) + 1
        radii[name] = radius(scores, coverage, rows.groups)
        low, high = reached(count, coverage)
        of_groups = f" of {count} groups" if count < len(rows) else ""
        observer.figure(
            f"{name} coverage",
            f"{coverage:g} asked, {low:.3f} to {high:.3f} expected from {len(rows)}"
            f" validation rows{of_groups}",
        )
    return radii


def radius(scores: np.ndarray, coverage: float, groups: np.ndarray | None = None) -> float:
    """The largest score that is still inside; infinite if there are too few.

    scores: [rows], of rows that the model has not seen. groups: int64 [rows], from 0, without gaps;
        None if each row is one of its own.
    """
    if groups is None:
        groups = np.arange(len(scores))
    order, sizes = np.argsort(scores), np.bincount(groups)
    below = np.cumsum(1 / sizes[groups[order]])
    place = int(np.searchsorted(below, (len(sizes) + 1) * coverage - 1e-9))
    return math.inf if place == len(scores) else float(scores[order[place]])


def rank(rows: int, coverage: float) -> int:
    """ceil((rows + 1) · coverage), without the noise of floating-point numbers. rows: or groups."""
    return math.ceil(round((rows + 1) * coverage, 9))


def fewest(coverage: float) -> int:
    """Rows, or groups, without which intervals would be infinite."""
    return math.ceil(round(coverage / (1 - coverage), 9))


def reached(rows: int, coverage: float) -> tuple[float, float]:
    """The range of the coverage on other rows, for 90 of 100 validation sets of that size: it has a
    beta distribution (Vovk 2012, arXiv:1209.2673, section 3). Of groups with several rows it varies
    at most as much as of so many rows.
    """
    from scipy.stats import beta

    place = rank(rows, coverage)
    low, high = beta.interval(LEVEL, place, rows + 1 - place)
    return float(low), float(high)
