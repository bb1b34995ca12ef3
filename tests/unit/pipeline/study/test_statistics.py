"""The statistics of studies against SciPy, statsmodels and enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from pipeline.study import statistics

RNG = np.random.default_rng(7)
SAMPLES = [RNG.normal(mean, 1, size) for mean, size in [(0, 6), (0.8, 7), (-2, 10), (0.1, 12)]]


@pytest.mark.parametrize("differences", SAMPLES, ids=len)
def test_sign_flip_counts_the_assignments_of_signs_that_are_as_extreme(
    differences: np.ndarray,
) -> None:
    seen = abs(differences.mean())
    flipped = [abs(np.mean(differences * s)) for s in product([1, -1], repeat=len(differences))]
    share = np.mean([f >= seen - 1e-12 for f in flipped])
    assert statistics.sign_flip(differences) == pytest.approx(share)


@pytest.mark.parametrize("tests", [1, 2, 3, 4, 10])
def test_the_fewest_seeds_are_those_with_which_the_smallest_p_value_is_small_enough(
    tests: int,
) -> None:
    n = statistics.fewest_seeds(tests, 0.05)
    p_values = [statistics.sign_flip(np.linspace(1, 2, seeds)) for seeds in (n - 1, n)]
    assert p_values[0] * tests > 0.05 >= p_values[1] * tests


def test_six_seeds_are_the_fewest_for_one_task() -> None:
    assert statistics.fewest_seeds(1, 0.05) == 6


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03], [0.5, 0.01], [0.2], [0.02, 0.02, 0.9, 0.001]])
def test_holm_is_that_of_statsmodels(p: list[float]) -> None:
    assert statistics.holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))


@pytest.mark.parametrize("differences", SAMPLES, ids=len)
@pytest.mark.parametrize("margin", [0.2, 1.5])
def test_equivalence_is_the_tost_of_statsmodels(differences: np.ndarray, margin: float) -> None:
    error = statistics.standard_error(differences)
    found = statistics.equivalence(float(differences.mean()), error, len(differences), margin)
    expected = ttost_paired(differences, np.zeros(len(differences)), -margin, margin)[0]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("differences", SAMPLES, ids=len)
def test_t_test_and_interval_are_those_of_scipy(differences: np.ndarray) -> None:
    expected = stats.ttest_1samp(differences, 0)
    error = statistics.standard_error(differences)
    p = statistics.t_test(float(differences.mean()), error, len(differences))
    interval = statistics.t_interval(differences, 0.05, error)
    assert p == pytest.approx(expected.pvalue)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_overlapping_splits_widen_the_error_as_nadeau_and_bengio_say() -> None:
    d = SAMPLES[2]
    plain, corrected = statistics.standard_error(d), statistics.standard_error(d, overlap=1 / 9)
    assert corrected / plain == pytest.approx(np.sqrt(1 + len(d) / 9))


def test_bca_covers_the_mean_of_skewed_differences() -> None:
    rng = np.random.default_rng(1)
    intervals = [statistics.bca(rng.exponential(1, 40), 0.1) for _ in range(60)]
    held = [interval.low <= 1.0 <= interval.high for interval in intervals]
    assert 0.75 <= np.mean(held) <= 0.99


def test_equal_differences_have_an_interval_without_width() -> None:
    interval = statistics.bca(np.full(6, 0.25), 0.05)
    assert (interval.low, interval.high) == (0.25, 0.25)


@pytest.mark.parametrize(("mean", "deviation"), [(1.0, 1.0), (0.3, 0.9), (2.0, 1.1)])
def test_seeds_to_tell_apart_have_the_power_that_statsmodels_computes(
    mean: float, deviation: float
) -> None:
    n = statistics.seeds_to_tell_apart(mean, deviation, tests=1, alpha=0.05)
    assert n is not None
    power = [
        TTestPower().power(mean / deviation, nobs=seeds, alpha=0.05, alternative="two-sided")
        for seeds in (n - 1, n)
    ]
    assert power[1] >= statistics.POWER
    assert power[0] < statistics.POWER or n == statistics.fewest_seeds(1, 0.05)


def test_seeds_to_equate_have_the_power_that_a_simulation_finds() -> None:
    n = statistics.seeds_to_equate(0.2, 1.0, margin=1.0, tests=1, alpha=0.05)
    assert n is not None
    samples = np.random.default_rng(3).normal(0.2, 1.0, (4000, n))
    means, errors = samples.mean(axis=1), samples.std(axis=1, ddof=1) / np.sqrt(n)
    critical = stats.t.ppf(0.95, n - 1)
    found = np.mean(((1.0 - means) / errors > critical) & ((1.0 + means) / errors > critical))
    assert found == pytest.approx(statistics.POWER, abs=0.06)


def test_no_number_of_seeds_equates_what_differs_by_more_than_the_margin() -> None:
    assert statistics.seeds_to_equate(1.2, 1.0, margin=1.0, tests=1, alpha=0.05) is None
