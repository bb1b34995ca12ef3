"""Which candidates count how often in an ensemble."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.experiments.scorer import ScoreFigures
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from pipeline.auto.ensemble import _decided, selected
from pipeline.auto.ranking import Metrics

METRICS = Metrics({"y": "auc"}, {"y": 1})
RNG = np.random.default_rng(0)
LABELS = np.arange(400) % 2
ANSWERS = {
    "good": LABELS + 0.8 * RNG.normal(size=400),
    "other": LABELS + 0.8 * RNG.normal(size=400),
    "noise": RNG.normal(size=400),
}


def scores_of(counts: Counter[str]) -> ScoreFigures:
    mean = np.sum([n * ANSWERS[name] for name, n in counts.items()], axis=0)
    auc = float(roc_auc_score(LABELS, mean))
    return ScoreFigures(values={"y": {"auc": auc}}, rows=400, parameters=1, latency_ms=1.0)


def test_all_take_part_and_the_better_ones_count_more() -> None:
    ensemble = selected(list(ANSWERS), scores_of, METRICS)
    assert sum(ensemble.shares.values()) == pytest.approx(1)
    assert set(ensemble.shares) == set(ANSWERS)
    assert ensemble.shares["noise"] < min(ensemble.shares["good"], ensemble.shares["other"])
    equal = scores_of(Counter(ANSWERS.keys()))
    assert METRICS.gain(ensemble.scores, equal) > 0
    single = max(scores_of(Counter([name])).values["y"]["auc"] or 0 for name in ANSWERS)
    assert (ensemble.scores.values["y"]["auc"] or 0) > single, "two independent models"


def test_the_mean_has_a_threshold_of_its_own() -> None:
    labels = np.array([1, 1, 0, 0, 0, np.nan])
    answers = np.array([[0.4], [0.3], [0.1], [0.1], [0.0], [0.9]])
    chosen, stated = (
        TaskTarget(task=BinaryTask(name="y", label="y", decision=decision))
        for decision in ("f1", 0.5)
    )
    assert _decided(chosen, labels, answers).decision == pytest.approx(0.2)
    assert _decided(stated, labels, answers) is stated


def test_nothing_is_added_that_does_not_help() -> None:
    def always_the_same(counts: Counter[str]) -> ScoreFigures:
        return ScoreFigures(values={"y": {"auc": 0.8}}, rows=9, parameters=1, latency_ms=1.0)

    assert selected(["a", "b"], always_the_same, METRICS).shares == {"a": 0.5, "b": 0.5}
