"""What is served answers within the bound: the best, one model that learned from it, or another."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from components.errors import RootstockError
from components.experiments.scorer import ScoreFigures
from pipeline.auto.attempt import Attempt, distil
from pipeline.auto.candidate import Choice
from pipeline.auto.latency import within_latency
from pipeline.auto.leaderboard import DISTILLED, ENSEMBLE, Leaderboard
from pipeline.auto.progress import Lines
from pipeline.auto.ranking import Metrics
from pipeline.auto.search import Clock, Search
from pipeline.auto.state import Ensemble, Request, State, Trial
from pipeline.auto.worker import Crashed, Worker
from pipeline.spec.load import SpecSource, ensemble_of

NOISE = np.random.default_rng(0).normal(size=100)
METRICS = Metrics({"y": "auc"}, {"y": 1})
SPEC = """\
name: small
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {x: {kind: numeric}}
tasks: {y: {kind: binary, label: y}}
"""
CHOICES = {
    "default": Choice("default", "", ()),
    "slim": Choice("slim", "", ("model.experts=none",)),
    "tiny": Choice("tiny", "", ("model.trunk.name=scratch", "model.trunk.width=8")),
}


def scores(auc: float, ms: float) -> ScoreFigures:
    samples = {"y": {"auc": tuple(auc + 0.001 * NOISE)}}
    return ScoreFigures(
        values={"y": {"auc": auc}}, resampled=samples, rows=500, parameters=1, latency_ms=ms
    )


class Fake(Worker):
    """Answers with the latency of what `best.yaml` describes, and trains a student of some AUC."""

    def __init__(self, latencies: Mapping[str, float], student: float) -> None:
        self.latencies, self.student, self.exported = latencies, student, list[str]()

    def __call__(self, work: Callable[..., object], *arguments: object, until: float) -> object:  # type: ignore[override]
        (path,) = arguments
        assert isinstance(path, Path)
        content, ensemble = yaml.safe_load(path.read_text()), ensemble_of(path)
        if work is distil:
            assert ensemble.student is not None
            assert len(ensemble.members) == 2
            return Attempt(7.0, scores(self.student, 1.0), "place")
        name = "default"
        if ensemble.members:
            name = DISTILLED if ensemble.student else ENSEMBLE
        elif content.get("model", {}).get("experts") == "none":
            name = "slim"
        elif content.get("model", {}).get("trunk", {}).get("width") == 8:
            name = "tiny"
        self.exported.append(name)
        if name not in self.latencies:
            raise Crashed("its process was killed")
        return self.latencies[name]


def bounded(
    tmp_path: Path,
    limit: float,
    latencies: Mapping[str, float],
    student: float = 0.87,
    seconds: float = 600.0,
    timed: Mapping[str, float] | None = None,
) -> tuple[Leaderboard, Fake]:
    (tmp_path / "spec.yaml").write_text(SPEC)
    trials = tuple(
        Trial(name=n, overrides=CHOICES[n].overrides, rows=900, seconds=5.0, scores=scores(*s))
        for n, s in {"default": (0.85, 3.0), "slim": (0.84, 1.0), "tiny": (0.7, 0.5)}.items()
    )
    ensemble = Ensemble(shares={"default": 0.5, "slim": 0.5}, scores=scores(0.9, 4.0))
    request = Request(data="/rows.csv", labels=("y",))
    state = State(request=request, trials=trials, ensemble=ensemble, combined=3)
    state = replace(state, latencies=timed or {})
    search = Search(
        SpecSource(tmp_path / "spec.yaml"),
        list(CHOICES.values()),
        METRICS,
        Clock(seconds, 0.0, time.monotonic()),
        18.0,
        tmp_path / "state.json",
        state,
        Lines(io.StringIO()),
        rows=900,
        latency_ms=limit,
    )
    board = Leaderboard(state, CHOICES, METRICS, 900, 10.0, {})
    worker = Fake(latencies, student)
    return within_latency(board, search, worker, tmp_path), worker


ALL = {ENSEMBLE: 4.0, "default": 3.0, "slim": 1.0, DISTILLED: 1.0, "tiny": 0.4}


def test_an_ensemble_that_is_fast_enough_is_served(tmp_path: Path) -> None:
    board, worker = bounded(tmp_path, 5.0, ALL)
    assert board.winner.name == ENSEMBLE
    assert worker.exported == [ENSEMBLE]
    assert "4.00 ms" in board.why()


def test_one_model_that_learned_from_it_is_served_instead(tmp_path: Path) -> None:
    board, _ = bounded(tmp_path, 2.0, ALL)
    assert board.winner.name == DISTILLED
    assert "ensemble answers one row in 4.00 ms, more than 2: one model like slim" in board.why()
    content = yaml.safe_load((tmp_path / "best.yaml").read_text())
    assert content["distilled"] == {"set": {"model.experts": "none"}}
    assert len(content["ensemble"]) == 2
    assert [r.trial.name for r in board.ranked][:2] == [ENSEMBLE, DISTILLED]


def test_a_student_that_is_no_better_is_not_served(tmp_path: Path) -> None:
    board, _ = bounded(tmp_path, 2.0, ALL, student=0.8)
    assert board.winner.name == "slim"
    assert "slim is served, which takes 1.00 ms" in board.why()
    assert "learned from it is no better" in board.why()


def test_without_time_to_learn_a_faster_candidate_is_served(tmp_path: Path) -> None:
    board, _ = bounded(tmp_path, 2.0, ALL, seconds=20.0)
    assert board.winner.name == "slim"
    assert "could not learn from it (it needs about 8 s" in board.why()


def test_a_bound_that_nothing_holds_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RootstockError, match=r"fastest here, tiny, takes 0\.40 ms"):
        bounded(tmp_path, 0.1, ALL)


def test_a_model_that_could_not_be_timed_is_not_said_to_be_slow(tmp_path: Path) -> None:
    board, _ = bounded(tmp_path, 2.0, {"slim": 1.0, "default": 3.0})
    assert board.winner.name == "slim"
    assert board.why().count("ensemble could not be timed (its process was killed):") == 1
    assert "one model like slim that learned from it could not be timed" in board.why()
    assert "inf" not in board.why()
    with pytest.raises(RootstockError, match="no time to measure how fast candidates answer"):
        bounded(tmp_path, 2.0, {})


def test_of_candidates_that_were_timed_no_other_is_exported(tmp_path: Path) -> None:
    timed = {"default": 1.9, "slim": 1.0, "tiny": 0.5}
    board, worker = bounded(tmp_path, 2.0, ALL, timed=timed)
    assert board.winner.name == DISTILLED
    assert worker.exported == [ENSEMBLE, DISTILLED]
    assert "one model like default learned from it" in board.why()
    board, worker = bounded(tmp_path, 1.1, {}, student=0.8, timed=timed)
    assert worker.exported == [], "its members take 2.9 ms together"
    assert "ensemble answers one row in about 2.90 ms, more than 1.1:" in board.why()
    assert board.winner.name == "slim"
