import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from components.evaluation.groups import Groups
from components.evaluation.metrics.family import Scores
from components.evaluation.ranking_intervals import (
    hanley_mcneil,
    newcombe,
    of_area,
    of_area_change,
    placements,
)
from components.evaluation.ratios import Drawn


def drawn(rows: int, ids=None, weights=None) -> Drawn:
    groups = Groups.of_rows(rows) if ids is None else Groups.by(list(ids))
    if weights is None:
        return Drawn(groups, np.ones(rows), False)
    return Drawn(groups, weights * rows / weights.sum(), True)


def data(rows=200, seed=0, share=0.3):
    rng = np.random.default_rng(seed)
    yes = rng.random(rows) < share
    return yes, np.round(rng.normal(size=(2, rows)) + 1.5 * yes, 1)  # with ties


def delong(yes, *scores):
    """The covariance of areas, from the kernel of all pairs (DeLong et al. 1988)."""
    kernels = [(s[yes][:, None] > s[~yes]) + 0.5 * (s[yes][:, None] == s[~yes]) for s in scores]
    rows, columns = (np.array([k.mean(axis=axis) for k in kernels]) for axis in (1, 0))
    return np.cov(rows) / yes.sum() + np.cov(columns) / (~yes).sum()


def test_area_and_variance_are_those_of_delong():
    yes, scores = data()
    ours, theirs = (placements(Scores(yes, s), drawn(len(yes))) for s in scores)
    assert ours.area == pytest.approx(roc_auc_score(yes, scores[0]))
    covariance = delong(yes, *scores)
    assert ours.variance == pytest.approx(covariance[0, 0])
    assert float(ours.influences @ theirs.influences) == pytest.approx(covariance[0, 1])
    assert ours.units == (yes.sum(), (~yes).sum())
    assert ours.rarer == pytest.approx(yes.sum())


def test_weights_count_as_copies():
    yes, (scores, _) = data(60)
    weights = np.random.default_rng(1).integers(1, 4, 60).astype(float)
    found = placements(Scores(yes, scores), drawn(60, weights=weights))
    assert found.area == pytest.approx(roc_auc_score(yes, scores, sample_weight=weights))
    assert found.units[0] < yes.sum()


def test_copies_of_a_row_in_its_group_tell_nothing_new():
    yes, scores = data(120)
    one = [placements(Scores(yes, s), drawn(120)) for s in scores]
    five = [
        placements(Scores(np.repeat(yes, 5), np.repeat(s, 5)), drawn(600, np.arange(600) // 5))
        for s in scores
    ]
    for level in (0.9, 0.99):
        single, copied = of_area(one[0], level), of_area(five[0], level)
        assert (copied.low, copied.high) == pytest.approx((single.low, single.high))
        single, copied = of_area_change(*one, level), of_area_change(*five, level)
        assert (copied.low, copied.high) == pytest.approx((single.low, single.high))


@pytest.mark.slow
def test_groups_add_up_as_obuchowski_has_it():
    """The variance over whole groups agrees with drawing groups again, many times."""
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(150), 4)
    common = rng.normal(size=150)[codes]
    yes = rng.random(600) < expit(common)
    scores = common + rng.normal(size=600) + yes
    found = placements(Scores(yes, scores), drawn(600, codes))
    areas = []
    for _ in range(600):
        chosen = rng.integers(0, 150, 150)
        rows = (chosen[:, None] * 4 + np.arange(4)).ravel()
        areas.append(roc_auc_score(yes[rows], scores[rows]))
    assert found.variance == pytest.approx(np.var(areas), rel=0.2)
    apart = placements(Scores(yes, scores), drawn(600))
    assert found.units[0] < 0.8 * apart.units[0]


def test_labels_of_a_row_are_a_group():
    rng = np.random.default_rng(5)
    labels = rng.random((80, 3)) < 0.4
    scores = rng.random((80, 3)) + 0.5 * labels
    found = placements(Scores(labels.ravel(), scores.ravel(), 3), drawn(80))
    assert found.area == pytest.approx(roc_auc_score(labels.ravel(), scores.ravel()))
    by_id = placements(Scores(labels.ravel(), scores.ravel()), drawn(240, np.arange(240) // 3))
    assert found.variance == pytest.approx(by_id.variance)


def test_newcombe_is_where_the_score_reaches_the_quantile():
    found, z = newcombe(0.8, 12, 40, norm.ppf(0.975)), norm.ppf(0.975)
    for bound in (found.low, found.high):
        assert (0.8 - bound) ** 2 == pytest.approx(z**2 * hanley_mcneil(bound, 12, 40), rel=1e-6)
    assert newcombe(1.0, 12, 40, z).high == 1
    assert newcombe(1.0, 12, 40, z).low > 0.7


def test_perfect_ranking_of_few_rows_is_not_certain():
    yes = np.arange(200) < 5
    perfect = placements(Scores(yes, yes.astype(float)), drawn(200))
    assert perfect.variance == 0
    found = of_area(perfect, 0.95)
    assert found.low < 0.6
    assert found.high == pytest.approx(1, abs=0.005)
    change = of_area_change(perfect, perfect, 0.95)
    assert change.low < -0.1


def test_one_row_or_group_of_a_class_tells_nothing():
    yes = np.arange(50) < 1
    assert of_area(placements(Scores(yes, np.arange(50.0)), drawn(50)), 0.95) is None
    assert placements(Scores(np.zeros(9, bool), np.arange(9.0)), drawn(9)) is None
    same = drawn(50, ["patient"] * 50)
    found = placements(Scores(np.arange(50) < 20, np.arange(50.0)), same)
    assert of_area(found, 0.95) is None
    assert of_area_change(found, found, 0.95) is None
