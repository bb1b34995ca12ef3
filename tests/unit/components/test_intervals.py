import numpy as np
import pytest
from scipy.stats import binomtest

from components.assessment import ALL, Answers, assess
from components.intervals import Confidence, Interval, exact, percentile, resamples
from models.task import BinaryTask, TaskTarget

TARGET = TaskTarget(task=BinaryTask(name="t", label="y"), classes=("negative", "positive"))


@pytest.mark.parametrize("counted", [0, 1, 17, 39, 40])
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_exact_intervals_are_those_of_scipy(counted, level):
    expected = binomtest(counted, 40).proportion_ci(level, method="exact")
    got = exact(counted, 40, level)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high))


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


def test_intervals_hold_the_true_value_as_often_as_they_say():
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
