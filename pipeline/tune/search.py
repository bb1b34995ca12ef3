"""The search's memory: an Optuna study in SQLite, which goes on where it was left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from pipeline.spec.tune import Range, Tune

GAIN, FIGURES, TEST, REASON, SECONDS = "gain", "figures", "test", "reason", "seconds"
"""Attributes of a trial: figures on validation and test rows by task, and why it failed."""
MEANT = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
STARTUP = 5
"""Trials before pruning and learning from them begin."""


@dataclass(frozen=True)
class Search:
    """Where the memory lies. name: of the Optuna study: searches of other spaces, or against
    another spec, have other names.
    """

    file: Path
    name: str
    settings: Tune
    seed: int

    def open(self, number: int = 0) -> optuna.Study:
        """The study. number: trials begun before, so that no two draw the same."""
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
        """Of Optuna, by key of the spec."""
        return {key: _distribution(space) for key, space in self.settings.space.items()}


def revive(study: optuna.Study) -> int:
    """Queue again what was running when a search was killed; how many trials are over."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, skip_if_exists=False)
    return len(over(study))


def over(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that came to an end, not those that were killed."""
    trials = study.get_trials(deepcopy=False, states=MEANT)
    return [t for t in trials if t.state != TrialState.FAIL or REASON in t.user_attrs]


def overrides(params: Mapping[str, Any], settings: Tune) -> tuple[str, ...]:
    """A trial's parameters, as for `--set`; fractions to four digits."""
    return tuple(
        f"{key}={_number(value) if isinstance(settings.space[key], Range) else value}"
        for key, value in params.items()
    )


def _number(value: float) -> str:
    return json.dumps(value if isinstance(value, int) else float(f"{value:.4g}"))


def _distribution(space: Range | tuple[Any, ...]) -> BaseDistribution:
    if not isinstance(space, Range):
        return CategoricalDistribution([json.dumps(value) for value in space])
    if isinstance(space.low, int) and isinstance(space.high, int):
        return IntDistribution(space.low, space.high, log=space.log)
    return FloatDistribution(space.low, space.high, log=space.log)
