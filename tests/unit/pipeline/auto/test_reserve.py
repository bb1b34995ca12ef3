"""What is kept of a budget for the end, and what is said of what is left of it."""

from __future__ import annotations

import io
from pathlib import Path

from pipeline.auto.progress import Lines
from pipeline.auto.ranking import Metrics
from pipeline.auto.reserve import START_S, at_first, keep_more, unused
from pipeline.auto.search import Clock, Search
from pipeline.auto.state import Request, State
from pipeline.spec.load import SpecSource


def search(directory: Path, seconds: float) -> tuple[Search, io.StringIO]:
    said = io.StringIO()
    own = Search(
        source=SpecSource(directory / "spec.yaml"),
        choices=[],
        metrics=Metrics({"y": "auc"}, {"y": 1}),
        clock=Clock(seconds, 0.0),
        reserve=at_first(seconds, timed=False),
        file=directory / "state.json",
        state=State(request=Request(data="rows.csv", labels=("y",))),
        display=Lines(said),
        rows=900,
    )
    return own, said


def test_more_is_kept_of_long_budgets_and_for_timing() -> None:
    assert at_first(60, timed=False) == at_first(300, timed=False) < at_first(1800, timed=False)
    assert at_first(60, timed=True) > at_first(60, timed=False)


def test_a_slow_machine_keeps_more_and_says_so(tmp_path: Path) -> None:
    own, said = search(tmp_path, 600)
    before = own.reserve
    keep_more(own, START_S / 2)
    assert (own.reserve, said.getvalue()) == (before, "")
    keep_more(own, 3 * START_S)
    assert own.reserve == 3 * before
    assert "This machine is slow now: a process took 12 s to start." in said.getvalue()
    short, _ = search(tmp_path, 60)
    keep_more(short, 100 * START_S)
    assert short.reserve == 0.4 * 60, "most of the time is for training all the same"


def test_time_that_was_not_needed_is_explained(tmp_path: Path) -> None:
    own, _ = search(tmp_path, 600)
    assert "of 10 minutes were not needed: all candidates, combinations of" in unused(own, 10)
    own.untried["larger"] = "it needs about 900 s"
    assert unused(own, 10) == "", "more time would have been needed"
    own, _ = search(tmp_path, 20)
    assert unused(own, 1 / 3) == ""
