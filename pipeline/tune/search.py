"""The state of a search: an Optuna study in SQLite, so that a killed search can continue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna import distributions
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from pipeline.spec.tune import SearchRange, Tune

GAIN, FIGURES, TEST, REASON, SECONDS = "gain", "figures", "test", "reason", "seconds"
SPAN = "span"
"""Attributes of a trial: metrics on validation and test rows by task, why it failed, and when its
training started and ended, in seconds since 1970: perhaps before a search that was killed.
"""
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
STARTUP = 5
"""Trials before pruning and the TPE sampler start to use earlier trials."""


@dataclass(frozen=True)
class Search:
    """A search and the SQLite file of its state.

    name: of the Optuna study. A search of another space or of another spec has another name.
    """

    file: Path
    name: str
    settings: Tune
    seed: int

    def open(self, number: int = 0) -> optuna.Study:
        """Open the study. number: trials started before; it gives each trial its own seed."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        seed = self.seed + number
        sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed)
        if self.settings.sampler == "tpe":
            sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed)
        pruner = optuna.pruners.MedianPruner(STARTUP) if self.settings.pruning else None
        return optuna.create_study(
            storage=f"sqlite:///{self.file}",
            study_name=self.name,
            sampler=sampler,
            pruner=pruner or optuna.pruners.NopPruner(),
            direction="maximize",
            load_if_exists=True,
        )

    def distributions(self) -> dict[str, BaseDistribution]:
        return {key: _distribution(space) for key, space in self.settings.space.items()}


def requeue_interrupted(study: optuna.Study) -> int:
    """Queue again the trials that a killed search left running; count the finished ones."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, skip_if_exists=False)
    return len(finished_trials(study))


def finished_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that ended by themselves, without those that were killed."""
    trials = study.get_trials(deepcopy=False, states=ENDED)
    return [t for t in trials if t.state != TrialState.FAIL or REASON in t.user_attrs]


def as_overrides(params: Mapping[str, Any], settings: Tune) -> tuple[str, ...]:
    """A trial's parameters as `--set` options; fractions with four significant digits."""
    return tuple(
        f"{key}={_number(value) if isinstance(settings.space[key], SearchRange) else value}"
        for key, value in params.items()
    )


def _number(value: float) -> str:
    return json.dumps(value if isinstance(value, int) else float(f"{value:.4g}"))


def _distribution(space: SearchRange | tuple[Any, ...]) -> BaseDistribution:
    if not isinstance(space, SearchRange):
        return distributions.CategoricalDistribution([json.dumps(value) for value in space])
    if isinstance(space.low, int) and isinstance(space.high, int):
        return distributions.IntDistribution(space.low, space.high, log=space.log)
    return distributions.FloatDistribution(space.low, space.high, log=space.log)
