"""The page of a search has all of the leaderboard, and says it as plainly."""

from __future__ import annotations

from html import unescape
from pathlib import Path

from pipeline.auto.closing import Said
from pipeline.auto.importance import Fall, Importance
from pipeline.auto.next_steps import NextSteps
from pipeline.auto.page import page
from pipeline.auto.run import write_report
from pipeline.auto.state import Ensemble
from tests.unit.pipeline.auto.figures import board, scores, trial


def test_a_page_says_what_the_leaderboard_says() -> None:
    falls = [Fall("k", "y", "auc", 0.2, 0.1, 0.3), Fall("x", "y", "auc", 0.0, -0.1, 0.1)]
    own = board(
        *(trial("default", 0.8, 0), trial("b", 0.9, 1), trial("c", 0.7, 2, 300)),
        next_steps=NextSteps(("y: scarce.",), columns=Importance(falls, (), 400, "test")),
        answers=("y: calibrated.",),
    )
    html = page(own, [Said("Winner: b."), Said("Few rows.", warns=True)], "name: rows\n")
    text = unescape(html)
    for row in own.table().rows:
        assert all(f"<td>{cell}</td>" in text for cell in row)
    for said in (own.note(), "y: scarce.", "y: calibrated.", "c: not trained: no time"):
        assert said in text
    assert '<div class="card answer">Winner: b.' in html.replace("\n", "")
    assert '<div class="card warn">Few rows.' in html.replace("\n", "")
    assert "/rows.csv: 900 training rows, 3 models trained, 1.2 of 2 minutes" in text
    assert "2 columns, shuffled among 400 test rows" in text
    assert html.count("<circle") == 1 + 2, "one candidate beside the reference, two columns"


def test_a_cut_name_is_whole_where_a_reader_points_at_it() -> None:
    names = [f"capital_gains_last_year_{unit}" for unit in ("usd", "eur")] + list("abcdefghijkl")
    falls = [Fall(n, "y", "auc", 0.2, 0.1, 0.3) for n in names]
    steps = NextSteps(("x",), columns=Importance(falls, ("z",), 400, "val"))
    own = board(trial("default", 0.8, 0), next_steps=steps)
    html = page(own, [Said("x")], "")
    assert html.count(">capital_gains_last_…</text>") == 2
    assert all(f"<title>{name}: " in html for name in names[:2])
    assert "12 of 15 columns, shuffled among 400 val rows" in html


def test_an_ensemble_has_a_bar_of_its_own() -> None:
    ensemble = Ensemble(shares={"default": 0.5, "b": 0.5}, scores=scores(0.82, 2))
    own = board(trial("default", 0.8, 0), trial("b", 0.801, 1), ensemble=ensemble)
    html = page(own, [Said(own.why())], "")
    assert ">ensemble</text>" in html
    assert ">b</text>" in html


def test_a_single_candidate_has_nothing_to_be_compared_with() -> None:
    own = board(trial("default", 0.8, 0))
    html = page(own, [Said(own.why())], "")
    assert "<circle" not in html
    assert "What to do next" not in html


def test_no_secret_of_the_spec_is_in_the_report(tmp_path: Path) -> None:
    url = "postgresql://reader:hunter2hunter2@host/shop"
    (tmp_path / "best.yaml").write_text(f"name: rows\nquery: \"select * from scan('{url}')\"\n")
    write_report(board(trial("default", 0.8, 0)), [Said("Winner: default.")], tmp_path)
    for file in (tmp_path / "report").iterdir():
        assert "hunter2hunter2" not in file.read_text()
    assert "select * from scan" in (tmp_path / "report" / "leaderboard.html").read_text()
