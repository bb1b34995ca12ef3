"""Statistics of paired comparisons, with SciPy.

A comparison is a vector of differences between two arms, one per seed: both arms were trained on
the same rows with the same seed. Positive differences are better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.data.lazy import Floats, np, stats
from components.evaluation.intervals import Interval

PERMUTATIONS = 100_000
"""Sign flips: all of them up to this number (16 seeds), a random sample above."""
RESAMPLES = 10_000
MOST_SEEDS = 1000
POWER = 0.8


def sign_flip(differences: Floats) -> float:
    """Two-sided p-value of the hypothesis that the differences are symmetric about zero.

    Under it all 2^n assignments of signs are equally likely (Fisher 1935, The Design of
    Experiments, section 21), so the test is exact. The smallest possible p-value is 2 / 2^n.
    """
    if not np.any(differences):
        return 1.0
    options = {"permutation_type": "samples", "n_resamples": PERMUTATIONS, "vectorized": True}
    rng = np.random.default_rng(0)
    return float(stats.permutation_test((differences,), np.mean, rng=rng, **options).pvalue)


def fewest_seeds(tests: int, alpha: float) -> int:
    """The fewest seeds with which a sign-flip test can be significant.

    With Holm's correction over `tests` tests: 2 / 2^n <= alpha / tests. Six for one test at 5 %.
    """
    return math.ceil(1 + math.log2(tests / alpha) - 1e-12)


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


def t_interval(differences: Floats, alpha: float, error: float) -> Interval:
    """Student's t interval of the mean, given its standard error."""
    mean = float(np.mean(differences))
    reach = float(stats.t.ppf(1 - alpha / 2, len(differences) - 1)) * error
    return Interval(mean - reach, mean + reach)


def t_test(mean: float, error: float, seeds: int) -> float:
    """Two-sided p-value of the hypothesis that the mean is zero."""
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, seeds - 1))


def equivalence(mean: float, error: float, seeds: int, margin: float) -> float:
    """p-value of the hypothesis that the mean is outside (-margin, margin).

    The larger p-value of two one-sided tests (Schuirmann 1987, J. Pharmacokinetics and
    Biopharmaceutics 15).
    """
    return max(not_inferior(mean, error, seeds, margin), not_inferior(-mean, error, seeds, margin))


def not_inferior(mean: float, error: float, seeds: int, margin: float) -> float:
    """p-value of the hypothesis that the mean is below -margin: one test of `equivalence`."""
    if error == 0:
        return 0.0 if mean > -margin else 1.0
    return float(stats.t.sf((mean + margin) / error, seeds - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for multiple tests (Holm 1979, Scand. J. Statistics 6)."""
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def seeds_to_tell_apart(
    mean: float, deviation: float, tests: int, alpha: float, overlap: float = 0.0
) -> int | None:
    """Seeds with which such a difference is significant in four of five studies.

    By the power of the paired t-test (noncentral t); at least `fewest_seeds`. mean, deviation: of
    the differences. overlap: see `standard_error`. None: more than `MOST_SEEDS`.
    """
    at_least = fewest_seeds(tests, alpha)
    if deviation == 0:
        return at_least if mean else None
    seeds = np.arange(2, MOST_SEEDS + 1)
    effect = abs(mean) / deviation / np.sqrt(1 / seeds + overlap)
    critical = stats.t.ppf(1 - alpha / tests / 2, seeds - 1)
    power = stats.nct.sf(critical, seeds - 1, effect)
    return _first(seeds, power, at_least)


def seeds_to_equate(
    mean: float, deviation: float, margin: float, tests: int, alpha: float, overlap: float = 0.0
) -> int | None:
    """Seeds with which such a difference is `equivalent` in four of five studies.

    None: more than `MOST_SEEDS`, or the mean is outside the margin.
    """
    room = margin - abs(mean)
    if room <= 0:
        return None
    if deviation == 0:
        return 2
    seeds = np.arange(2, MOST_SEEDS + 1)
    critical = stats.t.ppf(1 - alpha / tests, seeds - 1)
    reach = 1 / (np.sqrt(1 / seeds + overlap) * deviation)
    power = stats.t.cdf(room * reach - critical, seeds - 1)
    power = power - stats.t.sf((margin + abs(mean)) * reach - critical, seeds - 1)
    return _first(seeds, power, 2)


def _first(seeds: np.ndarray, power: Floats, at_least: int) -> int | None:
    enough = seeds[(np.nan_to_num(power) >= POWER) & (seeds >= at_least)]
    return int(enough[0]) if len(enough) else None
