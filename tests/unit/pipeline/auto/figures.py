"""Searches with planted metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.experiments.scorer import ScoreFigures
from pipeline.auto.candidate import Choice
from pipeline.auto.leaderboard import Leaderboard
from pipeline.auto.next_steps import NOTHING, NextSteps
from pipeline.auto.ranking import Metrics
from pipeline.auto.state import Ensemble, Request, State, Trial

NOISE = np.random.default_rng(0).normal(size=(4, 100))


def scores(auc: float, own: int, task: str = "y") -> ScoreFigures:
    """own: which noise its bootstrap samples have."""
    samples = {task: {"auc": tuple(auc + 0.01 * NOISE[own])}}
    values = {task: {"auc": auc}}
    return ScoreFigures(values=values, resampled=samples, rows=1200, parameters=10, latency_ms=2.0)


def trial(name: str, auc: float, own: int, rows: int = 900, task: str = "y") -> Trial:
    return Trial(name=name, rows=rows, seconds=5.0, scores=scores(auc, own, task))


def board(
    *trials: Trial,
    names: Sequence[str] = ("default", "b", "c"),
    task: str = "y",
    ensemble: Ensemble | None = None,
    next_steps: NextSteps = NOTHING,
    answers: tuple[str, ...] = (),
) -> Leaderboard:
    """names: of all candidates; the last was not tried."""
    request = Request(data="/rows.csv", labels=(task,))
    state = State(request=request, spent=70.0, trials=trials, ensemble=ensemble)
    choices = {n: Choice(n, f"about {n}", (f"a={n}",)) for n in names}
    metrics, untried = Metrics({task: "auc"}, {task: 1}), {names[-1]: "no time"}
    return Leaderboard(state, choices, metrics, 900, 2.0, untried, next_steps, answers)
