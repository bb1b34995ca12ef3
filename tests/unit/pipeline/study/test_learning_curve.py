"""Learning curves of which the law is known."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from scipy import optimize

from pipeline.study.learning_curve import PowerLaw, fit, rows_needed

SIZES = np.array([100.0, 300.0, 1000.0, 3000.0])
LAW = PowerLaw(limit=0.05, scale=2.0, rate=0.5)


def errors(noise: float, seed: int = 0) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(seed)
    exact = LAW.error(SIZES)
    return {int(n): e + rng.normal(0, noise, 7) for n, e in zip(SIZES, exact, strict=True)}


def test_the_law_behind_exact_errors_is_found() -> None:
    found = fit(SIZES, LAW.error(SIZES))
    assert (found.limit, found.scale, found.rate) == pytest.approx((0.05, 2.0, 0.5), rel=0.03)


def test_no_curve_of_scipy_fits_better() -> None:
    rng = np.random.default_rng(3)
    y = LAW.error(SIZES) + rng.normal(0, 0.01, 4)
    ours = ((fit(SIZES, y).error(SIZES) - y) ** 2).sum()
    best, _ = optimize.curve_fit(
        lambda n, limit, scale, rate: limit + scale * n**-rate,
        SIZES,
        y,
        p0=(0.05, 1.0, 0.5),
        bounds=((0, 0, 0.02), (1, 100, 2.0)),
    )
    theirs = ((best[0] + best[1] * SIZES ** -best[2] - y) ** 2).sum()
    assert ours <= theirs * 1.02


def test_errors_that_do_not_fall_have_a_flat_curve() -> None:
    found = fit(SIZES, np.array([0.1, 0.11, 0.12, 0.13]))
    assert found.error(SIZES) == pytest.approx(np.full(4, 0.115))


def test_the_rows_for_a_goal_lie_in_their_interval() -> None:
    needed = rows_needed(errors(0.003), 0.10, 0.05)
    assert needed is not None
    assert needed.interval.low <= LAW.rows(0.10) <= needed.interval.high
    assert not needed.extrapolated
    assert needed.rows == pytest.approx(LAW.rows(0.10), rel=0.2)


def test_a_goal_below_what_the_curve_tends_to_is_never_reached() -> None:
    needed = rows_needed(errors(0.0), 0.01, 0.05)
    assert needed is not None
    assert needed.rows == inf
    assert needed.extrapolated


def test_two_sizes_make_no_curve() -> None:
    assert rows_needed({100: np.ones(3), 200: np.ones(3)}, 0.5, 0.05) is None
