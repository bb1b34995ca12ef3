from __future__ import annotations

import math

import numpy as np
import pytest

from components.calibration.conformal import check_rows, fewest, radius, rank, reached
from components.errors import RootstockError
from models.tasks.regression import RegressionTask


def test_the_rank_has_the_correction_for_finite_samples() -> None:
    assert rank(99, 0.9) == 90
    assert rank(100, 0.9) == 91
    assert radius(np.arange(1.0, 100.0)[::-1], 0.9) == 90
    assert radius(np.arange(8.0), 0.9) == math.inf
    assert radius(np.arange(9.0), 0.9) == 8
    assert (fewest(0.9), fewest(0.5), fewest(0.95), fewest(0.99)) == (9, 1, 19, 99)


@pytest.mark.parametrize("rows", [9, 40, 200])
def test_other_rows_are_inside_as_often_as_asked(rows: int) -> None:
    """In expectation over validation sets, and with the spread that is said."""
    rng = np.random.default_rng(0)
    shares = np.array([1 - np.exp(-radius(rng.exponential(size=rows), 0.9)) for _ in range(4000)])
    assert shares.mean() == pytest.approx(rank(rows, 0.9) / (rows + 1), abs=0.005)
    low, high = reached(rows, 0.9)
    assert np.mean((low <= shares) & (shares <= high)) == pytest.approx(0.9, abs=0.02)


def test_every_group_counts_alike() -> None:
    """Groups of very different sizes, whose rows are alike: a row of a new group is inside as often
    as asked. With every row on its own it would not be.
    """
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(2000):
        sizes = np.where(rng.random(20) < 0.1, 200, 1)
        groups = np.repeat(np.arange(20), sizes)
        level = rng.exponential(size=21)
        scores = level[groups] + 0.01 * rng.random(len(groups))
        new = level[20] + 0.01 * rng.random()
        inside.append([new <= radius(scores, 0.9, groups), new <= radius(scores, 0.9)])
    by_group, by_row = np.mean(inside, axis=0)
    assert 0.89 <= by_group <= 0.97
    assert by_row < 0.85
    assert radius(np.arange(40.0), 0.9, np.repeat(np.arange(8), 5)) == math.inf


def test_too_few_validation_rows_are_refused_before_training() -> None:
    task = RegressionTask(name="age", label="a", coverage=0.9)
    labels = {"age": np.array([1.0, np.nan] * 8, np.float32)}
    wanted = r"tasks\.age\.coverage: 0\.9 needs 9 labelled validation rows or more\. Received 8"
    with pytest.raises(RootstockError, match=wanted):
        check_rows((task,), labels)
    with pytest.raises(RootstockError, match="Received 0"):
        check_rows((task,), None)
    check_rows((task,), {"age": np.ones(9, np.float32)})
    check_rows((RegressionTask(name="age", label="a"),), None)
    with pytest.raises(RootstockError, match=r"needs 9 groups of labelled .* Received 8"):
        check_rows((task,), {"age": np.ones(16, np.float32)}, np.arange(16) // 2)
