"""What a search has found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from components.experiments.trial_result import TrialFigures
from pipeline.report.tables import Table
from pipeline.spec.sections import Spec
from pipeline.tune.objective import Objective
from pipeline.tune.search import FIGURES, REASON, SECONDS, STARTUP, TEST, overrides

SHOWN = 5


@dataclass(frozen=True)
class SearchResult:
    """A search that is over. base: figures of the spec as it is. trials: in order."""

    spec: Spec
    objective: Objective
    base: TrialFigures
    trials: list[FrozenTrial]

    @cached_property
    def ranked(self) -> list[FrozenTrial]:
        """The trials that were trained to the end, the best first."""
        whole = [t for t in self.trials if t.state == TrialState.COMPLETE]
        return sorted(whole, key=lambda t: (-(t.value or 0.0), t.number))

    @property
    def best(self) -> FrozenTrial | None:
        """The best trial, if it is better than the spec as it is."""
        return next((t for t in self.ranked if (t.value or 0.0) > 0), None)

    @cached_property
    def importances(self) -> dict[str, float]:
        """By field, the share of what trials differ by (fANOVA: Hutter et al. 2014, ICML)."""
        if len(self.ranked) <= STARTUP or len(self.spec.tune.space) < 2:
            return {}
        study = optuna.create_study(direction="maximize")
        study.add_trials(self.ranked)
        try:
            return optuna.importance.get_param_importances(study)
        except (RuntimeError, ValueError):  # all trials are worth the same
            return {}


def as_json(found: SearchResult) -> str:
    """All of it."""
    told: dict[str, Any] = {
        "name": found.spec.name,
        "metrics": dict(found.objective.metrics),
        "base": dict(found.objective.base),
        "best": None if found.best is None else found.best.number,
        "importances": found.importances,
        "trials": [
            {
                "number": t.number,
                "state": t.state.name.lower(),
                "overrides": overrides(t.params, found.spec.tune),
                "gain": t.value if t.state == TrialState.COMPLETE else None,
                "validation": t.user_attrs.get(FIGURES),
                "test": t.user_attrs.get(TEST),
                "seconds": t.user_attrs.get(SECONDS),
                "reason": t.user_attrs.get(REASON),
            }
            for t in found.trials
        ],
    }
    return json.dumps(told, indent=1)


def markdown(found: SearchResult) -> str:
    """For people."""
    return "\n\n".join(_paragraphs(found)) + "\n"


def _paragraphs(found: SearchResult) -> Iterator[str]:
    count = {state: sum(t.state == state for t in found.trials) for state in TrialState}
    yield f"# Tuning of {found.spec.name}"
    yield (
        f"{len(found.trials)} trials: {count[TrialState.COMPLETE]} trained to the end,"
        f" {count[TrialState.PRUNED]} pruned, {count[TrialState.FAIL]} failed."
    )
    if found.best is None:
        yield "No trial is better on validation rows than the spec as it is."
    else:
        settings = ", ".join(overrides(found.best.params, found.spec.tune))
        gain = f"{found.best.value:+.2f} % on validation rows, the mean over tasks"
        yield f"Best: {settings}: {gain}."
        if test_gain := _test_gain(found, found.best):
            yield (
                f"On test rows: {test_gain:+.2f} %. The best of many is too good by chance on the"
                " rows that chose it; test rows had no part in that."
            )
        yield _comparison(found, found.best).markdown()
    if found.ranked:
        yield f"The best {min(SHOWN, len(found.ranked))}:"
        yield _best_trials(found).markdown()
    if found.importances:
        shares = ", ".join(f"{key} {share:.2f}" for key, share in found.importances.items())
        yield f"What makes the difference (shares): {shares}"


def _test_gain(found: SearchResult, trial: FrozenTrial) -> float | None:
    """The gain on test rows."""
    metrics = found.objective.metrics
    before = {t: found.base.tasks[t].test.get(m) for t, m in metrics.items()}
    if any(v is None for v in before.values()):
        return None
    there = {t: v for t, v in before.items() if v is not None}
    objective = Objective(metrics, found.objective.signs, there)
    return objective.gain({t: trial.user_attrs[TEST][t].get(m) for t, m in metrics.items()})


def _comparison(found: SearchResult, trial: FrozenTrial) -> Table:
    rows = []
    for task, metric in found.objective.metrics.items():
        figures = found.base.tasks[task]
        values = [
            figures.val.get(metric),
            trial.user_attrs[FIGURES][task].get(metric),
            figures.test.get(metric),
            trial.user_attrs[TEST][task].get(metric),
        ]
        rows.append([task, metric, *("" if v is None else f"{v:.4f}" for v in values)])
    header = ["task", "metric", "validation: as it is", "tuned", "test: as it is", "tuned"]
    return Table(header, rows)


def _best_trials(found: SearchResult) -> Table:
    keys = list(found.spec.tune.space)
    rows = [
        [
            str(t.number + 1),
            f"{t.value:+.2f} %",
            f"{t.user_attrs[SECONDS]:.1f}",
            *(_short(t.params.get(key)) for key in keys),
        ]
        for t in found.ranked[:SHOWN]
    ]
    return Table(["trial", "gain", "seconds", *keys], rows)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
