"""Successive halving: which candidates learn from how many rows, and what the budget allows."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import RootstockError
from components.experiments.scorer import ScoreFigures
from pipeline.auto.attempt import Attempt
from pipeline.auto.candidate import BRIEF, DEFAULT, EXPERTS, LONGER, Choice, as_values
from pipeline.auto.progress import Lines
from pipeline.auto.ranking import Metrics
from pipeline.auto.search import SEEDS, Clock, Search, last_rung, rungs
from pipeline.auto.state import Request, State, read_state
from pipeline.auto.variants import combinations_of
from pipeline.auto.worker import Crashed, Overdue
from pipeline.spec.load import SpecSource

CHOICES = [Choice(name, name, (f"x={i}",)) for i, name in enumerate((DEFAULT, "b", "c", "d"))]
QUALITY = {"x=0": 0.7, "x=1": 0.8, "x=2": 0.6, "x=3": 0.75}
BETTER = 0.85


def scores(auc: float) -> ScoreFigures:
    values = {"y": {"auc": auc}}
    samples = {"y": {"auc": tuple(auc + 0.001 * i for i in range(100))}}
    return ScoreFigures(values=values, resampled=samples, rows=9, parameters=1, latency_ms=1.0)


class Scripted:
    """Stands for the worker process: answers at once, with the seconds that a model of so many
    rows is said to take.
    """

    def __init__(self, seconds: Callable[[int], float], fails: str = "") -> None:
        self.seconds, self.fails, self.calls = seconds, fails, list[list[str]]()

    def __call__(self, work: object, *arguments: Any, until: float) -> Attempt:
        changes = arguments[1]
        self.calls.append(changes)
        rows = next((int(c[:-1].split(": ")[1]) for c in changes if "subset" in c), 9_000)
        seconds = self.seconds(rows)
        if changes[0] == self.fails:
            raise Crashed("its process was killed")
        if time.monotonic() + seconds > until:
            raise Overdue
        served_ms = 1.0 if arguments[2] else None
        return Attempt(
            seconds, scores(QUALITY.get(changes[0], BETTER)), "place", served_ms=served_ms
        )


def search(directory: Path, rows: int = 9_000, seconds: float = 1e4, reserve: float = 10) -> Search:
    return Search(
        source=SpecSource(directory / "spec.yaml"),
        choices=CHOICES,
        metrics=Metrics({"y": "auc"}, {"y": 1}),
        clock=Clock(seconds, 0.0),
        reserve=reserve,
        file=directory / "state.json",
        state=State(request=Request(data="rows.csv", labels=("y",))),
        display=Lines(io.StringIO()),
        rows=rows,
    )


def tried(own: Search) -> list[tuple[str, int]]:
    return [(t.name, t.rows) for t in own.state.trials]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(500, [500]), (9_000, [3_000, 9_000]), (90_000, [10_000, 30_000, 90_000])],
)
def test_rows_grow_by_three_up_to_all(rows: int, expected: list[int]) -> None:
    assert rungs(rows) == expected
    assert rungs(10 * rows, labelled=rows) == [10 * size for size in expected]


def test_the_default_learns_from_all_rows_early_and_the_better_half_follow(tmp_path: Path) -> None:
    own = search(tmp_path)
    own.run(Scripted(lambda rows: rows / 100))  # type: ignore[arg-type]
    seeds = [(f"b, seed {s}", 9_000) for s in range(2, SEEDS + 1)]
    small = [(name, 3_000) for name in ("b", "c", "d")]
    first = [(DEFAULT, 3_000), (DEFAULT, 9_000)]
    assert tried(own) == [*first, *small, ("b", 9_000), ("d", 9_000), *seeds]
    assert last_rung(own.state) == 9_000


def test_classical_models_go_ahead_and_tell_whether_the_default_fits(tmp_path: Path) -> None:
    own = search(tmp_path, seconds=100)
    own.choices = [*CHOICES[:2], Choice(EXPERTS, EXPERTS, ("x=3",))]
    own.run(Scripted(lambda rows: rows / 300))  # type: ignore[arg-type]
    assert tried(own)[:3] == [(EXPERTS, 3_000), (EXPERTS, 9_000), (DEFAULT, 9_000)]
    slow = search(tmp_path, seconds=40)
    slow.choices = own.choices
    slow.run(Scripted(lambda rows: rows / 150))  # type: ignore[arg-type]
    assert (DEFAULT, 9_000) not in tried(slow)
    assert last_rung(slow.state) == 3_000


def test_a_short_training_goes_ahead_and_a_longer_one_fills_the_time(tmp_path: Path) -> None:
    own = search(tmp_path, rows=900, seconds=110)
    own.choices = [CHOICES[0], Choice(BRIEF, BRIEF, ("x=1",), 0.05)]
    own.run(Scripted(lambda rows: 10))  # type: ignore[arg-type]
    assert tried(own) == [(BRIEF, 900), (LONGER, 900)]
    changes = as_values(own.state.trials[1].overrides)
    assert set(changes) == {"training.epochs", "training.seconds"}
    assert 4 * 12 < changes["training.epochs"] <= 4 * 17  # type: ignore[operator]
    assert 70 < changes["training.seconds"] <= 90  # type: ignore[operator]
    assert "needs about 200 s" in own.untried[DEFAULT]


def test_a_default_that_may_not_fit_ends_in_time(tmp_path: Path) -> None:
    """What is stopped by its deadline is lost, so training knows when to end."""
    own, worker = search(tmp_path, rows=900, seconds=70), Scripted(lambda rows: 31)
    own.choices = [CHOICES[0], Choice(EXPERTS, EXPERTS, ("x=3",))]
    own.run(worker)  # type: ignore[arg-type]
    assert tried(own)[:2] == [(EXPERTS, 900), (LONGER, 900)]
    assert (DEFAULT, 900) not in tried(own), "it is the same"
    assert worker.calls[1] == list(own.state.longer)
    (seconds,) = as_values(own.state.longer).values()
    assert 25 < seconds <= 42  # type: ignore[operator]


def test_a_plan_that_was_begun_is_kept_when_the_search_goes_on(tmp_path: Path) -> None:
    """So that training goes on from its checkpoint."""
    own = search(tmp_path, rows=900, seconds=70)
    own.choices = [CHOICES[0], Choice(EXPERTS, EXPERTS, ("x=3",))]
    own.state = replace(own.state, longer=("training.seconds=12",))
    own.run(Scripted(lambda rows: 31))  # type: ignore[arg-type]
    assert own.state.of(LONGER, 900).overrides == ("training.seconds=12",)  # type: ignore[union-attr]


def test_more_minutes_train_the_default_that_was_cut_before(tmp_path: Path) -> None:
    own = search(tmp_path, rows=900, seconds=70)
    own.choices = [CHOICES[0], Choice(EXPERTS, EXPERTS, ("x=3",))]
    own.state = replace(own.state, longer=("training.seconds=12",))
    own.run(Scripted(lambda rows: 31))  # type: ignore[arg-type]
    assert (DEFAULT, 900) not in tried(own), "twice the 31 s do not fit"
    own.clock = Clock(1_000, own.clock.spent)
    own.run(Scripted(lambda rows: 31))  # type: ignore[arg-type]
    assert (DEFAULT, 900) in tried(own)


def test_the_best_candidates_are_trained_together(tmp_path: Path) -> None:
    own, worker = search(tmp_path, rows=900), Scripted(lambda rows: 1)
    trunk = Choice("trunk", "", ("model.trunk={name: a}",))
    own.choices = [CHOICES[0], CHOICES[1], Choice("m", "", ("y=1", "z=2")), trunk]
    own.run(worker)  # type: ignore[arg-type]
    assert ["x=1", "y=1", "z=2"] in worker.calls
    assert "b + m" in {t.name for t in own.state.at(900)}
    wide = Choice("wide", "", ("model.trunk.width=2",))
    assert set(combinations_of([*own.choices, wide])) == {
        *(f"{DEFAULT} + {name}" for name in ("m", "trunk", "wide")),
        *("b + m", "b + trunk", "b + wide", "m + trunk", "m + wide"),
    }, "not two of one key, nor a trunk and a part of it"


def test_what_does_not_fit_into_the_budget_is_not_begun_and_is_named(tmp_path: Path) -> None:
    own = search(tmp_path, seconds=60)
    own.run(Scripted(lambda rows: 40 if rows < 9_000 else 400))  # type: ignore[arg-type]
    assert tried(own) == [(DEFAULT, 3_000), *((n, 3_000) for n in ("b", "c", "d"))]
    assert DEFAULT in own.untried or "b" in own.untried
    own = search(tmp_path, seconds=5)
    own.run(Scripted(lambda rows: 1))  # type: ignore[arg-type]
    assert tried(own) == []
    assert "s of the budget were left" in own.untried[DEFAULT]


def test_a_trial_that_is_stopped_is_tried_again_with_more_time(tmp_path: Path) -> None:
    own = search(tmp_path, rows=900, seconds=60)
    own.run(Scripted(lambda rows: 100))  # type: ignore[arg-type]
    assert tried(own) == []
    assert "stopped after" in own.untried[DEFAULT]
    own.clock = Clock(1e4, 0.0)
    own.run(Scripted(lambda rows: 100))  # type: ignore[arg-type]
    assert (DEFAULT, 900) in tried(own)
    assert own.untried == {}


def test_a_crash_is_a_row_and_the_others_go_on(tmp_path: Path) -> None:
    own = search(tmp_path, rows=900)
    own.run(Scripted(lambda rows: 1, fails="x=1"))  # type: ignore[arg-type]
    failed = own.state.of("b", 900)
    assert failed is not None
    assert failed.scores is None
    assert failed.reason == "its process was killed"
    assert {"c", "d"} <= {t.name for t in own.state.at(900)}


def test_a_default_that_fails_says_nothing_of_the_time_of_others(tmp_path: Path) -> None:
    own = search(tmp_path, rows=900)
    own.run(Scripted(lambda rows: 1, fails="x=0"))  # type: ignore[arg-type]
    assert own._predicted(CHOICES[1], 900) is None


def test_a_trial_that_hangs_is_a_row_and_the_others_go_on(tmp_path: Path) -> None:
    own, hangs = search(tmp_path, rows=900, seconds=110), iter([1.0, 500.0])
    own.run(Scripted(lambda rows: next(hangs, 1.0)))  # type: ignore[arg-type]
    failed = own.state.of("b", 900)
    assert failed is not None
    assert failed.reason.startswith("stopped after 6")
    assert failed.reason.endswith("because about 1 s were expected")
    assert {"c", "d"} <= {t.name for t in own.state.at(900)}


def test_with_a_bound_candidates_are_timed_and_leave_time_to_learn_from_them(
    tmp_path: Path,
) -> None:
    own = search(tmp_path)
    own.latency_ms = 2.0
    own.run(Scripted(lambda rows: 30))  # type: ignore[arg-type]
    assert tried(own)[-1] == ("d", 9_000), "no other seeds"
    assert own.state.latencies == dict.fromkeys((DEFAULT, "b", "d"), 1.0)
    for limit, expected in ((2.0, [DEFAULT]), (0.5, [DEFAULT, "b", "c", "d"])):
        own = search(tmp_path, rows=900)
        own.latency_ms, own.clock = limit, Clock(200, 95.0)
        own.run(Scripted(lambda rows: 30))  # type: ignore[arg-type]
        assert [name for name, _ in tried(own)] == expected


def test_finished_trials_are_not_repeated(tmp_path: Path) -> None:
    own = search(tmp_path, rows=900)
    own.run(Scripted(lambda rows: 1))  # type: ignore[arg-type]
    again, worker = search(tmp_path, rows=900), Scripted(lambda rows: 1)
    read = read_state(tmp_path / "state.json")
    assert read is not None
    again.state = read
    again.run(worker)  # type: ignore[arg-type]
    assert worker.calls == []
    assert again.state.trials == own.state.trials


def test_other_examples_another_spec_and_changed_candidates_start_anew(tmp_path: Path) -> None:
    own = search(tmp_path, rows=900)
    own.run(Scripted(lambda rows: 1))  # type: ignore[arg-type]
    known = {c.name: c for c in CHOICES}
    assert own.state.on("a", known).trials == ()
    here = replace(own.state, digest="a")
    assert {t.name for t in here.on("a", known).trials} == set(known)
    changed = known | {"b": Choice("b", "another", ("x=9",))}
    assert {t.name for t in here.on("a", changed).trials} == {DEFAULT, "c", "d"}


def test_a_file_that_is_no_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(
        RootstockError, match=r"state\.json: expected the state of `rootstock auto`"
    ):
        read_state(tmp_path / "state.json")
