"""Statistics of paired comparisons, with SciPy.

A comparison is a vector of differences between two arms, one per seed: both arms were trained on
the same rows with the same seed. Positive differences are better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from components.data.lazy import Floats, np, stats
from components.evaluation.intervals import Interval

RESAMPLES = 10_000
MOST_SEEDS = 1000
POWER = 0.8
SHARE = 1 - math.exp(-1)
"""How many seeds, 0.632 of all, can at most lie on one side of the mean, if the distribution over
seeds is log-concave (Grünbaum 1960, Pacific J. Mathematics 10; Lovász and Vempala 2007, lemma 5.4):
normal, uniform or exponential, say. Skewed distributions reach it, symmetric ones have 1/2.
"""


def seeds_test(differences: Floats) -> float:
    """Two-sided p-value of the hypothesis that the mean over all seeds is zero, and of the one that
    the median is, from the number of seeds with the same sign.

    The binomial test against `SHARE`. It holds for skewed differences, unlike Student's t-test and
    the sign-flip test: for means if their distribution is log-concave or symmetric, for medians
    always. Differences of 0 count as neither.
    """
    n, most = len(differences), max(np.sum(differences > 0), np.sum(differences < 0))
    return float(_beyond(most, n, SHARE) + _beyond(most, n, 1 - SHARE))


def _beyond(count: Any, n: int | np.ndarray, share: float | Floats) -> Any:
    """The probability that at least so many of n seeds are on one side."""
    return stats.binom.sf(np.asarray(count) - 1, n, share)


def fewest_seeds(tests: int, alpha: float) -> int:
    """The fewest seeds with which a verdict is possible: those in which `seeds_test` can be
    significant at alpha / tests. Seven for one test at 5 %, nine for three.
    """
    seeds = np.arange(2, MOST_SEEDS + 1)
    enough = seeds[_beyond(seeds, seeds, SHARE) + (1 - SHARE) ** seeds <= alpha / tests]
    return int(enough[0])


def unseen(contrary: int, seeds: int, alpha: float) -> float:
    """The largest share of all seeds that may be contrary if so many of n are: the one-sided bound
    of Clopper and Pearson (1934, Biometrika 26). Without a contrary seed it is 1 - alpha ** (1/n).
    """
    return float(stats.beta.ppf(1 - alpha, contrary + 1, seeds - contrary))


def bca(differences: Floats, alpha: float) -> Interval:
    """Bias-corrected and accelerated (BCa) bootstrap interval of the mean (Efron 1987, JASA 82).

    It is too narrow for few seeds; `t_interval` is not. Equal differences give an interval of
    width 0.
    """
    if np.ptp(differences) == 0:
        return Interval(float(differences[0]), float(differences[0]))
    options = {"method": "BCa", "n_resamples": RESAMPLES, "confidence_level": 1 - alpha}
    rng = np.random.default_rng(0)
    low, high = stats.bootstrap((differences,), np.mean, rng=rng, **options).confidence_interval
    return Interval(float(low), float(high))


def standard_error(differences: Floats, overlap: float = 0.0) -> float:
    """The standard error of the mean difference.

    overlap: 0 if all seeds use the same split. Otherwise test rows / training rows: splits share
        training rows, so the variance of the mean grows by the factor 1 + n * overlap (Nadeau and
        Bengio 2003, Machine Learning 52, equation 9).
    """
    n = len(differences)
    return float(np.sqrt((1 / n + overlap) * np.var(differences, ddof=1)))


def t_interval(
    differences: Floats, alpha: float, error: float, freedom: int | None = None
) -> Interval:
    """Student's t interval of the mean, given its standard error.

    freedom: degrees of freedom; seeds - 1 when None.
    """
    mean, freedom = float(np.mean(differences)), freedom or len(differences) - 1
    reach = float(stats.t.ppf(1 - alpha / 2, freedom)) * error
    return Interval(mean - reach, mean + reach)


def t_test(mean: float, error: float, freedom: int) -> float:
    """Two-sided p-value of the hypothesis that the mean is zero. freedom: degrees of freedom."""
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, freedom))


def equivalence(
    differences: Floats, error: float, margin: float, freedom: int | None = None
) -> float:
    """p-value of the hypothesis that the mean, or the median, is outside (-margin, margin).

    The larger p-value of two one-sided tests (Schuirmann 1987, J. Pharmacokinetics and
    Biopharmaceutics 15).
    """
    sides = differences, -differences
    return max(not_inferior(side, error, margin, freedom) for side in sides)


def not_inferior(
    differences: Floats, error: float, margin: float, freedom: int | None = None
) -> float:
    """p-value of the hypothesis that the mean, or the median, is below -margin.

    The larger one of Student's t-test and of the binomial test of `seeds_test`, one-sided. freedom:
    degrees of freedom of the t-test; seeds - 1 when None.
    """
    n, distance = len(differences), float(np.mean(differences)) + margin
    student = float(distance <= 0)
    if error > 0:
        student = float(stats.t.sf(distance / error, freedom or n - 1))
    return max(student, float(_beyond(np.sum(differences > -margin), n, SHARE)))


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for multiple tests.

    A task has two hypotheses, no difference and a difference beyond the margin, of which one at
    most is true. So alpha / tasks for each task bounds the probability of any error by alpha. Two
    procedures of Holm, one for each kind of hypothesis, would not: together they allow 2 alpha.
    """
    return [min(1.0, len(p_values) * p) for p in p_values]


def far_from_others(differences: Floats, margin: float) -> Floats:
    """The differences of seeds that are far from most: collapses, or one seed that decides all.

    By more than five standard deviations, estimated from the median absolute deviation (Hampel
    1974, JASA 69), and by more than the margin.
    """
    distances = np.abs(differences - np.median(differences))
    limit = max(5 * 1.4826 * float(np.median(distances)), margin)
    return np.asarray(differences[distances > limit])


def seeds_to_tell_apart(
    mean: float, deviation: float, tests: int, alpha: float, overlap: float = 0.0
) -> int | None:
    """Seeds with which such a difference is significant in four of five studies.

    By the power of the t-test (noncentral t) times that of `seeds_test`, for normal differences; at
    least `fewest_seeds`. mean, deviation: of the differences. overlap: see `standard_error`. None:
    more than `MOST_SEEDS`.
    """
    at_least = fewest_seeds(tests, alpha)
    if deviation == 0:
        return at_least if mean else None
    seeds = np.arange(2, MOST_SEEDS + 1)
    effect = abs(mean) / deviation / np.sqrt(1 / seeds + overlap)
    critical = stats.t.ppf(1 - alpha / tests / 2, seeds - 1)
    by_size = stats.nct.sf(critical, seeds - 1, effect)
    needed = _needed(seeds, alpha / tests)
    too_few = _beyond(needed, seeds, SHARE) + _beyond(needed, seeds, 1 - SHARE) > alpha / tests
    by_sign = _beyond(needed + too_few, seeds, stats.norm.cdf(abs(mean) / deviation))
    return _first(seeds, by_size * by_sign, at_least)


def seeds_to_equate(
    mean: float, deviation: float, margin: float, tests: int, alpha: float, overlap: float = 0.0
) -> int | None:
    """Seeds with which such a difference is `equivalent` in four of five studies.

    None: more than `MOST_SEEDS`, or the mean is outside the margin.
    """
    room = margin - abs(mean)
    if room <= 0:
        return None
    seeds = np.arange(2, MOST_SEEDS + 1)
    needed = _needed(seeds, alpha / tests)
    if deviation == 0:
        return _first(seeds, (needed <= seeds).astype(np.float64), 2)
    critical = stats.t.ppf(1 - alpha / tests, seeds - 1)
    reach = 1 / (np.sqrt(1 / seeds + overlap) * deviation)
    by_size = stats.t.cdf(room * reach - critical, seeds - 1)
    by_size = by_size - stats.t.sf((margin + abs(mean)) * reach - critical, seeds - 1)
    for distance in (room, margin + abs(mean)):
        by_size = by_size * _beyond(needed, seeds, stats.norm.cdf(distance / deviation))
    return _first(seeds, by_size, 2)


def _needed(seeds: np.ndarray, level: float) -> np.ndarray:
    """How many of n seeds have to be on one side for a one-sided test; n + 1 if all are too few."""
    return np.asarray(stats.binom.isf(level, seeds, SHARE)) + 1


def _first(seeds: np.ndarray, power: Floats, at_least: int) -> int | None:
    enough = seeds[(np.nan_to_num(power) >= POWER) & (seeds >= at_least)]
    return int(enough[0]) if len(enough) else None
