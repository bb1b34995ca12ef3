"""The statistics of studies against SciPy, statsmodels and enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from pipeline.study import statistics

RNG = np.random.default_rng(7)
SAMPLES = [RNG.normal(mean, 1, size) for mean, size in [(0, 6), (0.8, 7), (-2, 10), (0.1, 12)]]


@pytest.mark.parametrize("differences", SAMPLES, ids=len)
def test_the_test_over_seeds_is_the_binomial_test_of_scipy(differences: np.ndarray) -> None:
    """One-sided against 1 - 1/e, and against 1/e for the other side."""
    count = max(int((differences > 0).sum()), int((differences < 0).sum()))
    tails = [
        stats.binomtest(count, len(differences), share, alternative="greater").pvalue
        for share in (1 - np.exp(-1), np.exp(-1))
    ]
    assert statistics.seeds_test(differences) == pytest.approx(sum(tails))


def test_seeds_without_a_difference_count_for_neither_arm() -> None:
    tied = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert statistics.seeds_test(tied) > statistics.seeds_test(np.ones(7))
    assert statistics.seeds_test(np.zeros(7)) >= 1


LOG_CONCAVE = {
    "normal": stats.norm(),
    "uniform": stats.uniform(),
    "exponential": stats.expon(),
    "gamma": stats.gamma(1.5),
    "weibull": stats.weibull_min(1.2),
    "beta": stats.beta(1, 6),
    "gumbel": stats.gumbel_r(),
}


@pytest.mark.parametrize("name", LOG_CONCAVE)
def test_no_log_concave_distribution_has_more_on_one_side_of_its_mean(name: str) -> None:
    """Grünbaum's inequality, which the test over seeds rests on."""
    above = LOG_CONCAVE[name].sf(LOG_CONCAVE[name].mean())
    assert 1 - statistics.SHARE - 1e-12 <= above <= statistics.SHARE + 1e-12


@pytest.mark.parametrize("tests", [1, 2, 3, 4, 10])
def test_the_fewest_seeds_are_those_with_which_the_smallest_p_value_is_small_enough(
    tests: int,
) -> None:
    n = statistics.fewest_seeds(tests, 0.05)
    p_values = [statistics.seeds_test(np.linspace(1, 2, seeds)) for seeds in (n - 1, n)]
    assert p_values[0] * tests > 0.05 >= p_values[1] * tests


def test_seven_seeds_are_the_fewest_for_one_task_and_nine_for_three() -> None:
    assert [statistics.fewest_seeds(tests, 0.05) for tests in (1, 3, 10)] == [7, 9, 12]


@pytest.mark.parametrize(("contrary", "seeds"), [(0, 7), (0, 29), (1, 12), (4, 30)])
def test_the_share_of_unseen_seeds_is_the_bound_of_clopper_and_pearson(
    contrary: int, seeds: int
) -> None:
    exact = proportion_confint(contrary, seeds, alpha=0.1, method="beta")[1]
    assert statistics.unseen(contrary, seeds, 0.05) == pytest.approx(exact)


def test_twenty_nine_seeds_would_show_a_collapse_in_one_of_ten() -> None:
    assert statistics.unseen(0, 28, 0.05) > 0.1 >= statistics.unseen(0, 29, 0.05)


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03], [0.5, 0.01], [0.2], [0.02, 0.02, 0.9, 0.001]])
def test_bonferroni_is_that_of_statsmodels(p: list[float]) -> None:
    expected = multipletests(p, method="bonferroni")[1]
    assert statistics.bonferroni(p) == pytest.approx(list(expected))


@pytest.mark.parametrize("differences", SAMPLES, ids=len)
@pytest.mark.parametrize("margin", [0.2, 1.5, 3.0])
def test_equivalence_is_the_tost_of_statsmodels_and_the_binomial_test_of_scipy(
    differences: np.ndarray, margin: float
) -> None:
    error = statistics.standard_error(differences)
    found = statistics.equivalence(differences, error, margin)
    tost = ttost_paired(differences, np.zeros(len(differences)), -margin, margin)[0]
    binomial = [
        stats.binomtest(
            int((side * differences > -margin).sum()),
            len(differences),
            1 - np.exp(-1),
            alternative="greater",
        ).pvalue
        for side in (1, -1)
    ]
    assert found == pytest.approx(max(tost, *binomial))


def test_a_seed_that_collapsed_is_far_from_the_others() -> None:
    usual = np.array([0.010, 0.012, 0.009, 0.011, 0.013, 0.008])
    found = statistics.far_from_others(np.append(usual, -0.3), 0.01)
    assert found == pytest.approx([-0.3])
    assert not len(statistics.far_from_others(usual, 0.01))
    assert not len(statistics.far_from_others(np.zeros(6), 0.01))


@pytest.mark.parametrize("differences", SAMPLES, ids=len)
def test_t_test_and_interval_are_those_of_scipy(differences: np.ndarray) -> None:
    expected = stats.ttest_1samp(differences, 0)
    error = statistics.standard_error(differences)
    p = statistics.t_test(float(differences.mean()), error, len(differences) - 1)
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


def found_by(mean: float, deviation: float, seeds: int, margin: float = 0.0) -> float:
    """The share of simulated studies that find the difference, or the equivalence."""
    samples = np.random.default_rng(3).normal(mean, deviation, (1000, seeds))
    found = 0
    for d in samples:
        error = statistics.standard_error(d)
        if margin:
            found += statistics.equivalence(d, error, margin) <= 0.05
        else:
            p = max(statistics.seeds_test(d), statistics.t_test(d.mean(), error, seeds - 1))
            found += p <= 0.05
    return found / len(samples)


@pytest.mark.parametrize(("mean", "deviation"), [(1.0, 1.0), (0.5, 0.9), (2.0, 1.1)])
def test_seeds_to_tell_apart_have_the_power_that_a_simulation_finds(
    mean: float, deviation: float
) -> None:
    n = statistics.seeds_to_tell_apart(mean, deviation, tests=1, alpha=0.05)
    assert n is not None
    assert found_by(mean, deviation, n) >= statistics.POWER - 0.03
    assert found_by(mean, deviation, round(0.6 * n)) < statistics.POWER


def test_seeds_to_equate_have_the_power_that_a_simulation_finds() -> None:
    n = statistics.seeds_to_equate(0.2, 1.0, margin=1.0, tests=1, alpha=0.05)
    assert n is not None
    assert found_by(0.2, 1.0, n, margin=1.0) >= statistics.POWER - 0.03
    assert found_by(0.2, 1.0, round(0.6 * n), margin=1.0) < statistics.POWER


def test_no_number_of_seeds_equates_what_differs_by_more_than_the_margin() -> None:
    assert statistics.seeds_to_equate(1.2, 1.0, margin=1.0, tests=1, alpha=0.05) is None
