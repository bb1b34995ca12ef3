import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm, t

from components.evaluation.intervals import (
    Confidence,
    of_counts,
    percentile,
    quantile,
    resamples,
    widened,
)


@pytest.mark.parametrize("counted", [0, 1, 17, 39, 40])
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_the_interval_of_a_share_is_mid_p(counted, level):
    found = of_counts(counted, 40, level)
    tail = (1 - level) / 2
    if counted > 0:
        half = binom.pmf(counted, 40, found.low) / 2
        assert binom.sf(counted, 40, found.low) + half == pytest.approx(tail)
    if counted < 40:
        half = binom.pmf(counted, 40, found.high) / 2
        assert binom.cdf(counted - 1, 40, found.high) + half == pytest.approx(tail)
    whole = binomtest(counted, 40).proportion_ci(level, method="exact")
    assert whole.low <= found.low <= counted / 40 <= found.high <= whole.high


def test_effective_numbers_of_rows_need_not_be_whole():
    below, found, above = (of_counts(0.3 * n, n, 0.95) for n in (40, 40.5, 41))
    assert below.low < found.low < above.low
    assert below.high > found.high > above.high
    assert of_counts(0.02, 0.05, 0.95).low < 0.01  # almost nothing is known
    for total in (1e-2, 1e-5, 1e-20, 0.0):
        nothing = of_counts(0.5 * total, total, 0.95)
        assert (nothing.low, nothing.high) == pytest.approx((0, 1), abs=1e-6)


def test_quantiles_are_of_student_and_wider_with_few_groups():
    assert quantile(0.95) == pytest.approx(norm.ppf(0.975))
    assert quantile(0.9, 4.5) == pytest.approx(t.ppf(0.95, 4.5))
    assert widened(0.95, 1e9) == pytest.approx(0.95)
    reach = t.ppf(0.975, 19) * np.sqrt(20 / 19)
    assert widened(0.95, 20) == pytest.approx(1 - 2 * norm.sf(reach))


def test_resamples_draw_each_row_once_on_average_and_the_same_by_seed():
    confidence = Confidence(replicates=300, seed=7)
    counts = np.concatenate(list(resamples(9_000, confidence)))
    assert counts.shape == (300, 9_000)
    assert counts.mean() == pytest.approx(1, abs=0.01)
    assert counts.var() == pytest.approx(1, abs=0.01)
    assert (counts == np.concatenate(list(resamples(9_000, confidence)))).all()


def test_percentiles_are_those_of_the_defined_values_unless_too_few_are():
    values = np.append(np.arange(99.0), np.nan)
    found = percentile(values, 49.0, 0.5)
    assert (found.low, found.high) == pytest.approx((24.5, 73.5), abs=0.02)
    assert percentile(np.append(values, np.full(9, np.nan)), 49.0, 0.5) is None


def test_percentiles_reach_further_where_the_bootstrap_is_biased():
    values = np.arange(1001.0)
    plain, biased = percentile(values, 500.0, 0.95), percentile(values, 300.0, 0.95)
    bias = norm.ppf(0.3)
    assert biased.low == pytest.approx(1000 * norm.cdf(2 * bias + norm.ppf(0.025)), abs=1)
    assert biased.low < plain.low
    assert biased.high == plain.high
