"""Learning curves of candidates, extrapolated to twice the rows."""

from __future__ import annotations

import numpy as np
import pytest

from components.experiments.scorer import ScoreFigures
from pipeline.auto.more_rows import more_rows
from pipeline.auto.ranking import Metrics
from pipeline.auto.state import Request, State, Trial

METRICS = Metrics({"y": "auc"}, {"y": 1})
SIZES = (3_600, 10_800, 32_400)


def searched(sizes: tuple[int, ...], scale: float, noise: float, seed: int = 0) -> State:
    """Three candidates on each number of rows: auc = .9 - scale / sqrt(rows), and noise of the
    validation rows that all share, of each trial, and of each of its bootstrap samples.
    """
    rng = np.random.default_rng(seed)
    shared, trials = 10 * noise * rng.normal(size=101), []
    for rows in sizes:
        for name in ("default", "a", "b"):
            own = 0.9 - scale * rows**-0.5 + noise * rng.normal(size=101)
            values = own + noise * rng.normal() + shared
            scores = ScoreFigures(
                values={"y": {"auc": values[0]}},
                resampled={"y": {"auc": tuple(values[1:])}},
                rows=100,
                parameters=1,
                latency_ms=1.0,
            )
            trials.append(Trial(name=name, rows=rows, seconds=1.0, scores=scores))
    return State(request=Request(data="d", labels=("y",)), trials=tuple(trials))


@pytest.mark.parametrize("sizes", [SIZES, SIZES[1:]])
def test_the_interval_has_the_truth_as_often_as_it_says(sizes: tuple[int, ...]) -> None:
    truth = 3 * (SIZES[-1] ** -0.5 - (2 * SIZES[-1]) ** -0.5)
    inside = 0
    for seed in range(10):
        (found,) = more_rows(searched(sizes, 3.0, 0.0002, seed), METRICS, SIZES[-1])
        assert found.rows == sizes
        inside += abs(found.change - truth) < found.error
        assert "twice the training rows: about +0.00" in found.sentence()
    assert inside >= 8


def test_errors_of_metrics_that_should_fall_do_fall() -> None:
    state = searched(SIZES, -3.0, 0.0002)
    (found,) = more_rows(state, Metrics({"y": "auc"}, {"y": -1}), SIZES[-1])
    assert found.change < 0
    assert found.improves


def test_a_flat_curve_says_that_it_cannot_be_told() -> None:
    (found,) = more_rows(searched(SIZES[1:], 0.0, 0.002, seed=3), METRICS, SIZES[-1])
    assert "cannot be told" in found.sentence()


def test_one_number_of_rows_is_no_curve() -> None:
    assert not list(more_rows(searched(SIZES[:1], 3.0, 0.001), METRICS, SIZES[0]))
    below = searched(SIZES[:2], 3.0, 0.001)
    assert not list(more_rows(below, METRICS, SIZES[-1])), "none learned from all rows"
