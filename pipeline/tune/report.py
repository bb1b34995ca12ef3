"""The report of a search, as Markdown and as JSON; `page.py` has it as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from components.experiments.trial_result import TrialFigures
from pipeline.display import PIPED
from pipeline.report.tables import Table, as_markdown, as_text
from pipeline.spec.sections import Spec
from pipeline.tune.objective import Objective
from pipeline.tune.search import FIGURES, REASON, SECONDS, STARTUP, TEST, as_overrides
from pipeline.tune.values import as_text as as_shown
from pipeline.tune.values import short_names

SHOWN = 5


@dataclass(frozen=True)
class SearchResult:
    """A finished search. base: metrics of the original spec. trials: in order."""

    spec: Spec
    objective: Objective
    base: TrialFigures
    trials: list[FrozenTrial]

    @cached_property
    def ranked(self) -> list[FrozenTrial]:
        """The trials that were trained to the end, best first."""
        complete = [t for t in self.trials if t.state == TrialState.COMPLETE]
        return sorted(complete, key=lambda t: (-(t.value or 0.0), t.number))

    @property
    def best(self) -> FrozenTrial | None:
        """The best trial, if it is better than the original spec."""
        return next((t for t in self.ranked if (t.value or 0.0) > 0), None)

    @cached_property
    def importances(self) -> dict[str, float]:
        """The share of the gain's variance due to each field (fANOVA: Hutter et al. 2014, ICML)."""
        if len(self.ranked) <= STARTUP or len(self.spec.tune.space) < 2:
            return {}
        study = optuna.create_study(direction="maximize")
        study.add_trials(self.ranked)
        try:
            return optuna.importance.get_param_importances(study)
        except (RuntimeError, ValueError):  # all trials have the same gain
            return {}


def as_json(result: SearchResult) -> str:
    content: dict[str, Any] = {
        "name": result.spec.name,
        "metrics": dict(result.objective.metrics),
        "base": dict(result.objective.base),
        "best": None if result.best is None else result.best.number,
        "importances": result.importances,
        "trials": [
            {
                "number": t.number,
                "state": t.state.name.lower(),
                "overrides": as_overrides(t.params, result.spec.tune),
                "gain": t.value if t.state == TrialState.COMPLETE else None,
                "validation": t.user_attrs.get(FIGURES),
                "test": t.user_attrs.get(TEST),
                "seconds": t.user_attrs.get(SECONDS),
                "reason": t.user_attrs.get(REASON),
            }
            for t in result.trials
        ],
    }
    return json.dumps(content, indent=1)


def markdown(result: SearchResult) -> str:
    return as_markdown(_parts(result))


def text(result: SearchResult) -> str:
    """The report for a terminal."""
    return as_text(_parts(result), PIPED)


def _parts(result: SearchResult) -> Iterator[str | Table]:
    yield f"# Tuning of {result.spec.name}"
    yield counts(result)
    yield from answers(result)
    if result.best is not None:
        yield comparison(result, result.best)
    if result.ranked:
        yield f"The best {min(SHOWN, len(result.ranked))} trials:"
        yield _best_trials(result)
    if result.importances:
        shares = ", ".join(f"{key} {share:.2f}" for key, share in result.importances.items())
        yield f"Importance of the fields (shares of the variance): {shares}"


def counts(result: SearchResult) -> str:
    """How the trials ended, in a sentence."""
    count = {state: sum(t.state == state for t in result.trials) for state in TrialState}
    return (
        f"{len(result.trials)} trials: {count[TrialState.COMPLETE]} trained to the end,"
        f" {count[TrialState.PRUNED]} stopped early (pruned) because most others were better after"
        f" as many epochs, {count[TrialState.FAIL]} failed."
    )


def answers(result: SearchResult) -> Iterator[str]:
    """What the search has found, in sentences."""
    if (best := result.best) is None:
        yield "No trial is better than the original spec on validation data."
        return
    settings = ", ".join(as_overrides(best.params, result.spec.tune))
    yield f"Best: {settings}: {best.value:+.2f} % on validation data (mean over tasks)."
    if test_gain := _test_gain(result, best):
        yield (
            f"On test data: {test_gain:+.2f} %. The validation gain is optimistic because it is"
            " the best of many trials; test data took no part in the choice."
        )


def _test_gain(result: SearchResult, trial: FrozenTrial) -> float | None:
    """The gain on test data; None if the original spec has no test metrics."""
    metrics = result.objective.metrics
    before = {t: result.base.tasks[t].test.get(m) for t, m in metrics.items()}
    base = {t: v for t, v in before.items() if v is not None}
    if len(base) < len(before):
        return None
    objective = replace(result.objective, base=base)
    return objective.gain({t: trial.user_attrs[TEST][t].get(m) for t, m in metrics.items()})


def comparison(result: SearchResult, trial: FrozenTrial) -> Table:
    """The metrics of the original spec beside those of a trial."""
    rows = []
    for task, metric in result.objective.metrics.items():
        base, tuned = result.base.tasks[task], trial.user_attrs
        splits = base.val, tuned[FIGURES][task], base.test, tuned[TEST][task]
        values = [split.get(metric) for split in splits]
        rows.append([task, metric, *("" if v is None else f"{v:.4f}" for v in values)])
    header = ["task", "metric", "validation: original", "tuned", "test: original", "tuned"]
    return Table(header, rows)


def _best_trials(result: SearchResult) -> Table:
    keys = list(result.spec.tune.space)
    rows = []
    for t in result.ranked[:SHOWN]:
        figures = str(t.number + 1), f"{t.value:+.2f} %", f"{t.user_attrs[SECONDS]:.1f}"
        rows.append([*figures, *(as_shown(t.params[key]) for key in keys)])
    return Table(["trial", "gain", "seconds", *short_names(keys).values()], rows)
