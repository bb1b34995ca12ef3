"""The page of a search has all of the leaderboard, and says it as plainly."""

from __future__ import annotations

from html import unescape

from pipeline.auto.importance import Fall, Importance
from pipeline.auto.next_steps import NextSteps
from pipeline.auto.page import page
from pipeline.auto.state import Ensemble
from tests.unit.pipeline.auto.figures import board, scores, trial


def test_a_page_says_what_the_leaderboard_says() -> None:
    falls = [Fall("k", "y", "auc", 0.2, 0.1, 0.3), Fall("x", "y", "auc", 0.0, -0.1, 0.1)]
    own = board(
        *(trial("default", 0.8, 0), trial("b", 0.9, 1), trial("c", 0.7, 2, 300)),
        next_steps=NextSteps(("y: scarce.",), columns=Importance(falls, (), 400, "test")),
        answers=("y: calibrated.",),
    )
    html = page(own, ["Winner: b.", "Warning: few rows."], "name: rows\n")
    text = unescape(html)
    for row in own.table().rows:
        assert all(f"<td>{cell}</td>" in text for cell in row)
    for said in (own.note(), "y: scarce.", "y: calibrated.", "c: not trained: no time"):
        assert said in text
    assert '<div class="card answer">' in html
    assert '<div class="card warn">' in html
    assert "/rows.csv: 900 training rows, 3 models trained, 1.2 of 2 minutes" in text
    assert html.count("<circle") == 1 + 2, "one candidate beside the reference, two columns"


def test_an_ensemble_has_a_bar_of_its_own() -> None:
    ensemble = Ensemble(shares={"default": 0.5, "b": 0.5}, scores=scores(0.82, 2))
    own = board(trial("default", 0.8, 0), trial("b", 0.801, 1), ensemble=ensemble)
    html = page(own, [own.why()], "")
    assert ">ensemble</text>" in html
    assert ">b</text>" in html


def test_a_single_candidate_has_nothing_to_be_compared_with() -> None:
    own = board(trial("default", 0.8, 0))
    html = page(own, [own.why()], "")
    assert "<circle" not in html
    assert "What to do next" not in html
