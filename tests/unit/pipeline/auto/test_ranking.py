"""Candidates are compared by gains that are paired over bootstrap samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.experiments.scorer import ScoreFigures
from pipeline.auto.candidate import Choice, expected_of
from pipeline.auto.portfolio.adapted import Adapted
from pipeline.auto.portfolio.frozen import Frozen
from pipeline.auto.ranking import Metrics, best
from pipeline.auto.state import Trial

METRICS = Metrics({"y": "auc", "z": "mae"}, {"y": 1, "z": -1})
NOISE = np.random.default_rng(0).normal(size=100)


def trial(name: str, auc: float | None, mae: float = 2.0, own: float = 0.0) -> Trial:
    """own: standard deviation of noise that other trials do not have."""
    rng = np.random.default_rng(list(name.encode()))
    shared = 0.05 * NOISE + own * rng.normal(size=100)
    scores = ScoreFigures(
        values={"y": {"auc": auc}, "z": {"mae": mae}},
        resampled={
            "y": {"auc": tuple((auc or 0) + shared)},
            "z": {"mae": tuple(mae + 0.1 * NOISE)},
        },
        rows=100,
        parameters=1,
        latency_ms=1.0,
    )
    return Trial(name=name, rows=100, seconds=1.0, scores=scores)


def test_gains_are_relative_and_averaged_over_tasks() -> None:
    first, second = METRICS.ranked([trial("default", 0.8), trial("a", 0.84, 1.8)])
    assert first.trial.name == "a"
    assert first.gain == pytest.approx((5 + 10) / 2)
    assert (second.gain, second.error) == (0, 0)


def test_noise_that_both_share_is_no_error() -> None:
    (first, _) = METRICS.ranked([trial("default", 0.8), trial("a", 0.84)])
    assert first.error == pytest.approx(0, abs=1e-9)


def test_a_candidate_within_the_noise_does_not_replace_the_default() -> None:
    ranked = METRICS.ranked([trial("default", 0.8), trial("a", 0.801, own=0.05)])
    assert ranked[0].trial.name == "a"
    assert best(ranked).trial.name == "default"
    ranked = METRICS.ranked([trial("default", 0.8), trial("a", 0.81, own=0.001)])
    assert best(ranked).trial.name == "a"


def test_without_the_default_the_first_one_is_the_reference() -> None:
    ranked = METRICS.ranked([trial("b", 0.8), trial("a", 0.85)])
    assert best(ranked).trial.name == "a"
    assert [r.trial.name for r in ranked] == ["a", "b"]


def test_with_few_labels_the_expected_candidate_stands_until_another_is_clearly_better() -> None:
    few = replace(METRICS, expected=("adapted", "frozen"))
    trials = [trial("default", 0.801, own=0.05), trial("frozen", 0.8)]
    ranked = few.ranked(trials)
    assert (ranked[0].trial.name, best(ranked).trial.name) == ("default", "frozen")
    ranked = few.ranked([*trials, trial("adapted", 0.79)])
    assert [r.trial.name for r in ranked if r.reference] == ["adapted"]
    assert best(few.ranked([trial("default", 0.9), trial("frozen", 0.8)])).trial.name == "default"
    even = few.ranked([trial("default", 0.8), trial("frozen", 0.8)])
    assert even[0].trial.name == "frozen"


def test_a_trunk_that_read_all_texts_is_expected_before_one_as_it_is() -> None:
    known = [Choice("default", "", ()), Choice("frozen m", "", (), few_labels=Frozen.few_labels)]
    known += [Choice("lora m", "", ()), Choice("adapted m", "", (), few_labels=Adapted.few_labels)]
    assert expected_of(known) == ("adapted m", "frozen m")


def test_an_undefined_metric_is_last() -> None:
    ranked = METRICS.ranked([trial("default", 0.8), trial("a", None)])
    assert ranked[-1].trial.name == "a"
    assert ranked[-1].gain == -np.inf


def test_trials_within_the_noise_of_the_best_are_tied() -> None:
    trials = [trial("default", 0.8), trial("a", 0.801, own=0.05), trial("b", 0.6)]
    assert {t.name for t in METRICS.tied(METRICS.ranked(trials))} == {"default", "a"}
