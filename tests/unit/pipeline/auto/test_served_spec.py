"""The spec of what a search serves."""

from __future__ import annotations

from pathlib import Path

import yaml

from components.experiments.scorer import ScoreFigures
from pipeline.auto.candidate import Choice
from pipeline.auto.leaderboard import Leaderboard
from pipeline.auto.ranking import Metrics
from pipeline.auto.served_spec import write_spec
from pipeline.auto.state import Ensemble, Request, State, Trial
from pipeline.spec.load import SpecSource, ensemble_of, load_spec

SPEC = """\
name: small
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {x: {kind: numeric}}
tasks: {y: {kind: binary, label: y}}
"""
CHOICES = {n: Choice(n, "", c) for n, c in {"default": (), "b": ("model.experts=none",)}.items()}


def written(directory: Path, auc: float, ensemble: Ensemble | None = None) -> Path:
    """The spec of a search in which `b` has this AUC, and the default .8."""
    (directory / "spec.yaml").write_text(SPEC)
    figures = {"rows": 9, "parameters": 1, "latency_ms": 1.0}
    trials = [
        Trial(
            name=name,
            overrides=CHOICES[name].overrides,
            rows=900,
            seconds=1.0,
            scores=ScoreFigures(
                values={"y": {"auc": value}}, resampled={"y": {"auc": (value,) * 9}}, **figures
            ),
        )
        for name, value in {"default": 0.8, "b": auc}.items()
    ]
    request = Request(data="rows.csv", labels=("y",))
    state = State(request=request, trials=tuple(trials), ensemble=ensemble)
    board = Leaderboard(state, CHOICES, Metrics({"y": "auc"}, {"y": 1}), 1000, 1.0, {})
    return write_spec(board, SpecSource(directory / "spec.yaml"), directory)


def test_a_candidate_has_its_changes_and_its_rows(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path, 0.9))[0]
    assert spec.model.experts == ()
    assert spec.training.subset is not None
    assert spec.training.subset.rows == 900


def test_an_ensemble_has_its_members_and_no_change_of_its_own(tmp_path: Path) -> None:
    best = ScoreFigures(values={"y": {"auc": 0.95}}, rows=9, parameters=1, latency_ms=1.0)
    path = written(tmp_path, 0.9, Ensemble(shares={"default": 0.25, "b": 0.75}, scores=best))
    assert "experts" not in yaml.safe_load(path.read_text()).get("model", {})
    first, second = ensemble_of(path).members
    assert (first.model.experts, second.model.experts) == ("auto", ())
    assert [m.share for m in load_spec(path)[0].ensemble] == [0.25, 0.75]
