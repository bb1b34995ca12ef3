"""What is searched, what a trial is worth, and what is kept of a search that was killed."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from pydantic import TypeAdapter, ValidationError

from components.errors import RootstockError
from components.experiments.trial_result import TrialFigures
from pipeline.spec.load import load_spec
from pipeline.spec.tune import Tune
from pipeline.tracking.events import StageMetrics
from pipeline.tune.objective import Objective, objective_for
from pipeline.tune.page import page
from pipeline.tune.report import SearchResult, markdown
from pipeline.tune.run import tune
from pipeline.tune.search import (
    FIGURES,
    REASON,
    SECONDS,
    TEST,
    Search,
    as_overrides,
    finished_trials,
    requeue_interrupted,
)
from pipeline.tune.trial import Pruning
from pipeline.tune.values import short_names, value_of
from tests.planted import write_spec
from tests.unit.pipeline.study.figures import task_figures, trial

SPACE = {
    "training.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "training.epochs": {"low": 1, "high": 6},
    "model.sharing": ["hard", {"name": "mmoe", "experts": 2}],
}


def settings(**given: object) -> Tune:
    found: Tune = TypeAdapter(Tune).validate_python({"space": SPACE, **given})
    return found


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"data.key": ["a"]}, "'data.key' cannot be tuned; expected a key of model"),
        ({"training.epochs": {"low": 3, "high": 3}}, "low must be below high"),
        ({"training.clip_norm": {"low": 0, "high": 3, "log": True}}, "low must be above 0"),
        ({"training.epochs": []}, "at least 1 item"),
    ],
)
def test_spaces_that_cannot_be_searched(space: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Tune).validate_python({"space": space})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("", "tune.space` is empty"),
        ("tune: {space: {training.epoch: [1, 2]}}", r"training\.epoch: 1: .*epoch"),
        ("tune: {space: {training.epochs: {low: 0, high: 2}}}", r"training\.epochs: 0: .*greater"),
        ("tune: {space: {training.epochs: [1]}, metrics: {up: mae}}", "tune.metrics: .*mae"),
    ],
)
def test_a_spec_that_cannot_be_tuned(tmp_path: Path, section: str, message: str) -> None:
    path = write_spec(tmp_path, ("up", "side"), section)
    with pytest.raises(RootstockError, match=f"(?s){message}"):
        tune(path)


@pytest.mark.slow
def test_a_search_draws_from_its_space_and_goes_on_where_it_was(tmp_path: Path) -> None:
    search = Search(tmp_path / "s.db", "s", settings(sampler="random"), seed=3)
    drawn = []
    for number in range(20):
        study = search.open(number)
        asked = study.ask(search.distributions())
        drawn.append(asked.params)
        study.tell(asked, 1.0)
    assert {type(p["training.epochs"]) for p in drawn} == {int}
    assert {p["training.epochs"] for p in drawn} >= {1, 6}
    assert all(0.001 <= p["training.learning_rate"] <= 0.1 for p in drawn)
    assert len({p["training.learning_rate"] for p in drawn}) == 20
    assert {p["model.sharing"] for p in drawn} == {'"hard"', '{"name": "mmoe", "experts": 2}'}
    overrides = as_overrides({**drawn[0], "training.learning_rate": 0.01234567}, search.settings)
    assert "training.learning_rate=0.01235" in overrides
    assert len(finished_trials(search.open())) == 20
    again = Search(tmp_path / "t.db", "s", settings(sampler="random"), seed=3)
    assert again.open().ask(again.distributions()).params == drawn[0]


@pytest.mark.slow
def test_what_ran_when_a_search_was_killed_is_tried_again(tmp_path: Path) -> None:
    search = Search(tmp_path / "s.db", "s", settings(), seed=0)
    study = search.open()
    lost = study.ask(search.distributions())
    failed = study.ask(search.distributions())
    failed.set_user_attr(REASON, "does not fit")
    study.tell(failed, state=TrialState.FAIL)
    assert requeue_interrupted(search.open()) == 1
    assert search.open(5).ask(search.distributions()).params == lost.params
    assert len(finished_trials(search.open())) == 1


def figures(up: float, side: float) -> TrialFigures:
    return trial({"up": task_figures(up), "side": task_figures(side)}, rows=450)


def test_a_gain_is_the_mean_relative_one(tmp_path: Path) -> None:
    spec, _ = load_spec(write_spec(tmp_path, ("up", "side"), "tune: {metrics: {side: log_loss}}"))
    objective = objective_for(spec, figures(0.8, 0.5))
    assert objective.metrics == {"up": "auc", "side": "log_loss"}
    assert objective.base == {"up": 0.8, "side": 0.5}
    assert objective.gain({"up": 0.88, "side": 0.4}) == pytest.approx((10 + 20) / 2)
    assert objective.gain({"up": 0.88, "side": None}) is None
    assert objective.gain({"up": 0.88, "side": float("nan")}) is None
    assert objective.of_epoch({"val_up_auc": 0.8, "val_side_loss": 1.0}) is None
    assert objective.of_epoch({"val_up_auc": 0.4, "val_side_log_loss": 0.5}) == pytest.approx(-25)


@pytest.mark.slow
def test_a_trial_worse_than_the_others_is_pruned(tmp_path: Path) -> None:
    objective = Objective({"up": "auc"}, {"up": 1}, {"up": 0.5})
    study = Search(tmp_path / "s.db", "s", settings(), seed=0).open()
    for _ in range(6):
        good = study.ask()
        watched = Pruning(good, objective)
        watched.record(StageMetrics(stage="Trial", step=0, values={"val_up_auc": 0.8}))
        study.tell(good, 60.0)
    worse = StageMetrics(stage="Trial", step=0, values={"val_up_auc": 0.4})
    with pytest.raises(optuna.TrialPruned, match="after epoch 1"):
        Pruning(study.ask(), objective).record(worse)


def test_a_report_says_what_chance_may_have_done(tmp_path: Path) -> None:
    spec, _ = load_spec(
        write_spec(tmp_path, ("up", "side"), "tune: {space: {training.epochs: [1, 2]}}")
    )
    objective = objective_for(spec, figures(0.8, 0.8))
    study = optuna.create_study(direction="maximize")
    for gain, test in ((-1.0, 0.7), (2.0, 0.88)):
        asked = study.ask(
            {"training.epochs": optuna.distributions.CategoricalDistribution(["1", "2"])}
        )
        values = {t: {"auc": test} for t in ("up", "side")}
        for name, value in ((FIGURES, values), (TEST, values), (SECONDS, 1.5)):
            asked.set_user_attr(name, value)
        study.tell(asked, gain)
    found = SearchResult(spec, objective, figures(0.8, 0.8), study.trials)
    assert found.best is not None
    assert found.best.number == 1
    report = markdown(found)
    assert "+2.00 % on validation data" in report
    assert "On test data: +10.00 %. The validation gain is optimistic" in report
    worse = SearchResult(spec, objective, figures(0.8, 0.8), study.trials[:1])
    assert worse.best is None
    assert "No trial is better" in markdown(worse)
    shown = page(found)
    assert all(text in shown for text in ("trial 2: +2.00 %, epochs ", "best so far", "tuned.yaml"))
    assert shown.count("<polyline") == 3  # the best so far, and a line for each trial
    assert "tuned.yaml" not in page(worse)


def test_choices_are_shown_as_people_write_them() -> None:
    assert value_of('{"name": "mmoe", "experts": 4}') == "mmoe (experts 4)"
    assert [value_of(v) for v in ('"hard"', "16", "true", 0.5)] == ["hard", 16, "true", 0.5]
    names = short_names(["training.learning_rate", "model.trunk.name", "model.sharing.name"])
    assert list(names.values()) == ["learning_rate", "model.trunk.name", "model.sharing.name"]
