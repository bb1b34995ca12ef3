import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm, t

from components.evaluation.groups import Groups
from components.evaluation.intervals import of_counts, quantile
from components.evaluation.metrics.family import Ratio
from components.evaluation.ratios import Drawn, MeanPivot, of_share, of_share_change


def plain(rows: int) -> Drawn:
    return Drawn(Groups.of_rows(rows), np.ones(rows), False)


def grouped(rng: np.random.Generator, groups: int, rows: int) -> Drawn:
    return Drawn(Groups.by(rng.integers(0, groups, rows).tolist()), np.ones(rows), False)


def cluster_error(values: np.ndarray, groups: Groups) -> float:
    """The cluster-robust standard error of a mean, by statsmodels."""
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": groups.codes}
    )
    return float(fit.bse[0])


def jackknife_error(statistic, groups: Groups) -> float:
    """The standard error of a statistic of rows, from leaving each group out."""
    without = np.array([statistic(groups.codes != g) for g in range(groups.count)])
    middle = statistic(groups.codes >= 0)
    return float(np.sqrt((groups.count - 1) / groups.count * ((without - middle) ** 2).sum()))


def test_a_share_of_independent_rows_has_the_binomial_interval():
    counted = np.arange(50) < 12
    assert of_share(Ratio.of(counted), plain(50), 0.95) == of_counts(12, 50, 0.95)
    among = np.arange(50) < 30
    assert of_share(Ratio.of(counted, among), plain(50), 0.9) == of_counts(12, 30, 0.9)


def test_f1_is_a_function_of_a_share():
    yes, predicted = np.arange(60) < 20, (np.arange(60) > 8) & (np.arange(60) < 30)
    ratio = Ratio.of(yes & predicted, among=yes | predicted, form="f1")
    assert ratio.value(np.ones(60)) == pytest.approx(2 * 11 / (20 + 21))
    found, share = of_share(ratio, plain(60), 0.95), of_counts(11, 30, 0.95)
    expected = [2 * s / (1 + s) for s in (share.low, share.high)]
    assert [found.low, found.high] == pytest.approx(expected)


def test_groups_reduce_a_share_to_the_rows_that_would_be_as_uncertain():
    """E. Korn and B. Graubard (1998), with the jackknife's variance."""
    rng = np.random.default_rng(0)
    drawn = grouped(rng, 30, 600)
    counted = rng.random(600) < np.repeat(rng.random(30), 1)[drawn.groups.codes]
    share, sizes = counted.mean(), np.bincount(drawn.groups.codes)
    total = (
        share * (1 - share) / jackknife_error(lambda rows: counted[rows].mean(), drawn.groups) ** 2
    )
    freedom = sizes.sum() ** 2 / (sizes**2).sum() - 1
    total *= (norm.ppf(0.975) / t.ppf(0.975, freedom)) ** 2
    found, expected = (
        of_share(Ratio.of(counted), drawn, 0.95),
        of_counts(share * total, total, 0.95),
    )
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6)
    assert total < 100


def test_a_share_of_equal_rows_in_few_groups_counts_the_groups():
    drawn = Drawn(Groups.by(np.arange(500) // 100), np.ones(500), False)
    found = of_share(Ratio.of(np.ones(500, bool)), drawn, 0.95)
    fewer = 5 * (quantile(0.95) / quantile(0.95, 4)) ** 2
    assert found.low == pytest.approx(of_counts(fewer, fewer, 0.95).low)
    one = Drawn(Groups.by(["same"] * 9), np.ones(9), False)
    assert of_share(Ratio.of(np.arange(9) < 4), one, 0.95) is None


def test_the_interval_of_paired_shares_adds_one_row_to_either_side():
    """Bonett and Price (2012)."""
    ours = np.repeat([True, False, True, False], [12, 4, 30, 14])
    theirs = np.repeat([False, True, True, False], [12, 4, 30, 14])
    found = of_share_change(Ratio.of(ours), Ratio.of(theirs), plain(60), 0.95)
    error = norm.ppf(0.975) * np.sqrt((13 + 5) - (13 - 5) ** 2 / 62) / 62
    assert (found.low, found.high) == pytest.approx((8 / 62 - error, 8 / 62 + error))
    one = of_share_change(Ratio.of(np.ones(1, bool)), Ratio.of(np.zeros(1, bool)), plain(1), 0.999)
    assert one.high == 1


def test_equal_answers_of_few_positive_rows_do_not_make_a_change_of_f1_certain():
    yes, predicted = np.arange(300) < 7, (np.arange(300) > 2) & (np.arange(300) < 10)
    ratio = Ratio.of(yes & predicted, among=yes | predicted, form="f1")
    found = of_share_change(ratio, ratio, plain(300), 0.95)
    assert found.low < -0.2
    assert found.high > 0.2


def test_a_change_of_shares_by_group_is_as_uncertain_as_the_groups():
    """Student's t with the cluster-robust error of statsmodels, which 200 groups determine well."""
    rng = np.random.default_rng(1)
    drawn = grouped(rng, 200, 4000)
    codes = drawn.groups.codes
    better = rng.random(200) < 0.5
    ours, theirs = rng.random(4000) < 0.5 + 0.3 * better[codes], rng.random(4000) < 0.6
    found = of_share_change(Ratio.of(ours), Ratio.of(theirs), drawn, 0.95)
    difference = ours.astype(float) - theirs
    sizes = np.bincount(codes)
    freedom = sizes.sum() ** 2 / (sizes**2).sum() - 1
    half = t.ppf(0.975, freedom) * cluster_error(difference, drawn.groups)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.02)
    apart = of_share_change(Ratio.of(ours), Ratio.of(theirs), plain(4000), 0.95)
    assert found.high - found.low > 1.3 * (apart.high - apart.low)


@pytest.mark.parametrize("form", ["mean", "root"])
def test_errors_of_means_are_cluster_robust(form):
    rng = np.random.default_rng(2)
    drawn = grouped(rng, 40, 500)
    values = np.exp(rng.normal(size=500) + rng.normal(size=40)[drawn.groups.codes])
    ratios = Ratio.mean(values, form), Ratio.mean(2 * values[::-1], form)
    one = np.ones((1, 40))
    (estimate,), (error,) = MeanPivot.of(ratios[:1], drawn).estimate(one)
    power = 0.5 if form == "root" else 1.0
    assert np.exp(estimate) == pytest.approx(values.mean() ** power)
    expected = power * cluster_error(values, drawn.groups) / values.mean()
    assert error == pytest.approx(expected, rel=1e-3)
    (change,), (error,) = MeanPivot.of(ratios, drawn).estimate(one)
    means = values.mean(), 2 * values.mean()
    assert change == pytest.approx(means[0] ** power - means[1] ** power)
    slopes = [power * m ** (power - 1) for m in means]
    linear = slopes[0] * values - slopes[1] * 2 * values[::-1]
    assert error == pytest.approx(cluster_error(linear, drawn.groups), rel=1e-3)


def test_the_studentised_interval_reaches_further_to_the_long_tail():
    rng = np.random.default_rng(3)
    pivot = MeanPivot.of((Ratio.mean(np.exp(rng.normal(size=60))),), plain(60))
    found = pivot.interval(pivot.pivots(rng.poisson(1.0, (400, 60)).astype(float)), 0.95)
    middle = np.exp(pivot.estimate(np.ones((1, 60)))[0][0])
    assert found.low < middle < found.high
    assert found.high - middle > 1.2 * (middle - found.low)


def test_equal_means_have_no_change():
    ratio = Ratio.mean(np.arange(30.0))
    pivot = MeanPivot.of((ratio, ratio), plain(30))
    found = pivot.interval(pivot.pivots(np.ones((5, 30))), 0.95)
    assert (found.low, found.high) == (0, 0)
