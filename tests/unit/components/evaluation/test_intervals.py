import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from components.evaluation.assessment import ALL, Answers, assess
from components.evaluation.intervals import (
    Confidence,
    Interval,
    of_paired_shares,
    of_share,
    percentile,
    resamples,
)
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask

TARGET = TaskTarget(task=BinaryTask(name="t", label="y"), classes=("negative", "positive"))


@pytest.mark.parametrize("counted", [0, 1, 17, 39, 40])
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_the_interval_of_a_share_is_mid_p(counted, level):
    found = of_share(counted, 40, level)
    tail = (1 - level) / 2
    if counted > 0:
        half = binom.pmf(counted, 40, found.low) / 2
        assert binom.sf(counted, 40, found.low) + half == pytest.approx(tail)
    if counted < 40:
        half = binom.pmf(counted, 40, found.high) / 2
        assert binom.cdf(counted - 1, 40, found.high) + half == pytest.approx(tail)
    whole = binomtest(counted, 40).proportion_ci(level, method="exact")
    assert whole.low <= found.low <= counted / 40 <= found.high <= whole.high


def test_the_interval_of_paired_shares_adds_one_row_to_either_side():
    ours, theirs, rows = 13, 5, 62
    error = norm.ppf(0.975) * np.sqrt((ours + theirs) - (ours - theirs) ** 2 / rows) / rows
    found = of_paired_shares(12, 4, 60, 0.95)
    assert (found.low, found.high) == pytest.approx((8 / 62 - error, 8 / 62 + error))
    assert of_paired_shares(1, 0, 1, 0.999).high == 1


def test_resamples_draw_each_row_once_on_average_and_the_same_by_seed():
    confidence = Confidence(replicates=300, seed=7)
    counts = np.concatenate(list(resamples(9_000, confidence)))
    assert counts.shape == (300, 9_000)
    assert counts.mean() == pytest.approx(1, abs=0.01)
    assert counts.var() == pytest.approx(1, abs=0.01)
    assert (counts == np.concatenate(list(resamples(9_000, confidence)))).all()


def test_percentiles_are_those_of_the_defined_values_unless_too_few_are():
    values = np.append(np.arange(99.0), np.nan)
    assert percentile(values, 0.5) == Interval(24.5, 73.5)
    assert percentile(np.append(values, np.full(9, np.nan)), 0.5) is None


@pytest.mark.slow
def test_intervals_have_their_nominal_coverage():
    """benchmarks/interval_coverage.py does this at length, for every metric."""
    truth, trials = {"accuracy": 0.8, "brier": 0.16}, 250
    held = dict.fromkeys(truth, 0)
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        labels = (rng.random(400) < 0.8).astype("float32")
        answers = Answers(TARGET, labels, np.full((400, 1), 0.8), None, None, 0.5)
        found = assess(answers, {}, 1, Confidence(replicates=200, seed=trial))[ALL]
        for metric, value in truth.items():
            interval = found.intervals[metric]
            held[metric] += interval.low <= value <= interval.high
    assert all(0.93 <= n / trials <= 0.975 for n in held.values()), held


def test_changes_are_paired():
    rng = np.random.default_rng(0)
    labels = (rng.random(500) < 0.5).astype("float32")
    champion = np.clip(0.3 * labels + 0.7 * rng.random(500), 0, 1)[:, None]
    candidate = champion + 0.01 * (labels[:, None] - 0.5)
    found = assess(Answers(TARGET, labels, candidate, champion, None, 0.5), {}, 1, Confidence())
    value, change = found[ALL].intervals["auc"], found[ALL].changes["auc"]
    assert change.value > 0
    assert change.interval.low > 0
    assert change.interval.high - change.interval.low < (value.high - value.low) / 5


def test_changes_of_shares_are_of_the_rows_that_one_model_alone_has_right():
    rng = np.random.default_rng(0)
    labels = (rng.random(300) < 0.5).astype("float32")
    candidate, champion = rng.random((2, 300, 1)) * 0.6 + 0.4 * labels[:, None]
    found = assess(Answers(TARGET, labels, candidate, champion, None, 0.5), {}, 1, Confidence())
    right = [(answers[:, 0] > 0.5) == (labels > 0.5) for answers in (candidate, champion)]
    for metric, rows in (("accuracy", labels >= 0), ("recall", labels > 0.5)):
        ahead, behind = (right[i] & ~right[1 - i] & rows for i in (0, 1))
        expected = of_paired_shares(ahead.sum(), behind.sum(), rows.sum(), 0.95)
        assert found[ALL].changes[metric].interval == expected
    assert found[ALL].changes["precision"].interval is not None
