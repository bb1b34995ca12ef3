"""One trial of a search, in its own process."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from components.errors import RootstockError
from components.experiments.trial import Trial
from components.experiments.trial_result import TrialFigures, load_figures
from pipeline.display import Quiet
from pipeline.flow import prepare
from pipeline.runner import Runner
from pipeline.spec.load import SpecSource
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import with_trunk_looked_up
from pipeline.store.fingerprint import identify
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.study.arms import ArmModel, PlannedArm
from pipeline.study.design import model_recipe
from pipeline.tracking.events import Event, StageMetrics, Tracker
from pipeline.tune.objective import Objective
from pipeline.tune.search import FIGURES, REASON, SECONDS, SPAN, TEST, Search, as_overrides


@dataclass(frozen=True)
class Outcome:
    """How a trial ended. gain: None if it was pruned or failed, for the reason `reason`."""

    overrides: tuple[str, ...]
    gain: float | None
    seconds: float
    reason: str = ""


class Pruning(Tracker):
    """Reports every epoch to Optuna, and stops the training of an unpromising trial."""

    def __init__(self, trial: optuna.Trial, objective: Objective) -> None:
        self.trial, self.objective = trial, objective

    def record(self, event: Event) -> None:
        """Report an epoch to Optuna.

        Raises:
            optuna.TrialPruned: most trials were better after as many epochs.
        """
        if not isinstance(event, StageMetrics):
            return
        if (gain := self.objective.of_epoch(event.values)) is not None:
            self.trial.report(gain, event.step)
            if self.trial.should_prune():
                raise optuna.TrialPruned(f"pruned after epoch {event.step + 1}")


def train_unchanged(source: SpecSource) -> tuple[str, TrialFigures]:
    """Train the original spec; see `train_spec`."""
    spec = source.spec()
    with Runner(Store(local(spec.store)), display=Quiet()) as runner:
        return train_spec(spec, runner, runner)


def train_spec(spec: Spec, data: Runner, runner: Runner) -> tuple[str, TrialFigures]:
    """Run the data stages, then train and evaluate one model of all tasks.

    Returns:
        The fingerprint of the trial, so of the spec and its data, and the trial's figures.

    Raises:
        RootstockError: the spec does not fit its data, or names something that does not exist.
    """
    spec = with_trunk_looked_up(spec)
    model = ArmModel(tuple(spec.tasks), tuple(spec.tasks))
    inputs = prepare(spec, data, for_trials=True)
    recipe = model_recipe(PlannedArm("tune", spec, (), (model,)), model, spec.training, spec.seed)
    stage = Trial(
        recipe=recipe,
        drawn_by=next(iter(spec.tasks.values())),
        key=spec.data.key,
        experts=spec.model.experts,
    )
    figures = load_figures(runner(stage, inputs).result)
    return identify(stage, inputs).fingerprint, figures


def attempt(source: SpecSource, search: Search, objective: Objective, number: int) -> Outcome:
    """Draw parameters, train, and report to the Optuna study. number: trials started before.

    Raises:
        RuntimeError: an unexpected error, as text, because some exceptions cannot be pickled.
    """
    from models.lazy import keras

    keras.backend.clear_session()
    study = search.open(number)
    trial = study.ask(search.distributions())
    overrides = as_overrides(trial.params, search.settings)
    try:
        spec = source.spec(*overrides)
        store = Store(local(spec.store))
        with (
            Runner(store, display=Quiet()) as data,
            Runner(store, tracker=Pruning(trial, objective), display=Quiet()) as runner,
        ):
            fingerprint, figures = train_spec(spec, data, runner)
    except optuna.TrialPruned as e:
        trial.set_user_attr(REASON, str(e))
        study.tell(trial, state=TrialState.PRUNED)
        return Outcome(overrides, None, 0.0, str(e))
    except RootstockError as e:
        reason = str(e)
    except Exception:
        raise RuntimeError(traceback.format_exc()) from None
    else:
        trial.set_user_attr(FIGURES, {t: dict(f.val) for t, f in figures.tasks.items()})
        trial.set_user_attr(TEST, {t: dict(f.test) for t, f in figures.tasks.items()})
        trial.set_user_attr(SECONDS, figures.costs.seconds)
        if entry := store.at(store.root / Trial.__name__ / fingerprint):
            trial.set_user_attr(SPAN, [entry.created - entry.seconds, entry.created])
        values = {t: figures.tasks[t].val.get(m) for t, m in objective.metrics.items()}
        if (gain := objective.gain(values)) is not None:
            study.tell(trial, gain)
            return Outcome(overrides, gain, figures.costs.seconds)
        reason = "a task has no metric on validation rows"
    trial.set_user_attr(REASON, reason)
    study.tell(trial, state=TrialState.FAIL)
    return Outcome(overrides, None, 0.0, reason)
