"""The leaderboard says what is served and why, and what was left out."""

from __future__ import annotations

import json
from dataclasses import replace

from pipeline.auto.leaderboard import ENSEMBLE
from pipeline.auto.state import Ensemble, Trial
from tests.unit.pipeline.auto.figures import board, scores, trial


def test_a_candidate_that_is_clearly_better_wins() -> None:
    own = board(trial("default", 0.8, 0), trial("b", 0.9, 1))
    assert own.winner.name == "b"
    assert own.members == {"b": 1.0}
    assert own.why().startswith("b: +12.50 ± 1.")
    assert "over default on 1,200 labelled validation rows" in own.why()


def test_one_within_the_noise_does_not() -> None:
    own = board(trial("default", 0.8, 0), trial("b", 0.801, 1))
    assert own.winner.name == "default"
    assert "the best other candidate, b, is ahead by +0.1" in own.why()
    own = board(trial("default", 0.8, 0), trial("b", 0.7, 1))
    why = "default: best on 1,200 labelled validation rows; the next, b: -12.50"
    assert own.why().startswith(why)


def test_an_ensemble_is_served_unless_it_is_worse() -> None:
    trials = trial("default", 0.8, 0), trial("b", 0.801, 1)
    good = Ensemble(shares={"default": 0.25, "b": 0.75}, scores=scores(0.82, 2))
    own = board(*trials, ensemble=good)
    assert own.winner.name == ENSEMBLE
    assert own.members == good.shares
    assert "the mean of default 0.25, b 0.75" in own.why()
    assert own.ranked[0].trial.name == ENSEMBLE
    assert own.ranked[0].trial.seconds == 10
    bad = board(*trials, ensemble=replace(good, scores=scores(0.7, 2)))
    assert bad.winner.name == "default"


def test_candidates_on_fewer_rows_come_last_and_once() -> None:
    small = trial("b", 0.95, 1, rows=300), trial("default", 0.7, 0, rows=300)
    own = board(*small, trial("default", 0.8, 0))
    assert [(r.trial.name, r.trial.rows) for r in own.ranked] == [("default", 900), ("b", 300)]
    assert own.why() == "default: no other candidate learned from as many rows."


def test_failures_and_what_there_was_no_time_for_are_named() -> None:
    failed = Trial(name="b", rows=900, seconds=1.0, reason="Traceback\nValueError: no")
    own = board(trial("default", 0.8, 0), failed)
    assert own.left_out() == ["b, 900 rows: ValueError: no", "c: not trained: no time"]
    text = own.markdown()
    assert "ValueError: no" in text
    assert "- default: about default" in text
    assert "| 1 | default | 900 | 0.8000 ± 0.0" in text
    content = json.loads(own.as_json())
    assert content["winner"] == "default"
    assert content["candidates"][0]["overrides"] == ["a=default"]
    assert content["left_out"] == own.left_out()
