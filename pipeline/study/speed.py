"""How fast an arm reaches the final quality of the reference arm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from components.data.lazy import np
from components.experiments.trial_result import TrialFigures
from pipeline.study.evidence import Evidence, Scores


@dataclass(frozen=True)
class Speed:
    """Means over the seeds in which every task reached its goal. reached: number of those seeds."""

    seconds: float
    steps: float
    reached: int
    seeds: int


def goals(evidence: Evidence, fraction: float) -> dict[str, tuple[str, float]]:
    """For each task, the name of a metric of an epoch and the value to reach.

    The value is the mean over seeds of the reference's validation metric after its last epoch,
    worsened by the margin. If epochs lack the task's metric, its loss is used, with a relative
    margin.
    """
    reference, by_task = evidence.design.reference, {}
    for task, metric in evidence.design.metrics.items():
        last = [
            trial.history[-1]
            for cell in evidence.scores(reference, fraction).values()
            for trial in cell.trials
            if trial.history and task in trial.tasks
        ]
        if not last or f"val_{task}_loss" not in last[0]:
            return {}
        name = f"val_{task}_{metric}"
        if name in last[0]:
            value = float(np.mean([e[name] for e in last]))
            goal = value - evidence.sign(task) * evidence.margin(task, fraction)
        else:
            name = f"val_{task}_loss"
            goal = float(np.mean([e[name] for e in last])) * (1 + evidence.design.settings.margin)
        by_task[task] = (name, goal)
    return by_task


def speed(evidence: Evidence, arm: str, fraction: float) -> Speed | None:
    """None for arms without epochs, or without validation rows."""
    wanted = goals(evidence, fraction)
    cells = evidence.scores(arm, fraction).values()
    if not wanted or not all(t.history for c in cells for t in c.trials):
        return None
    reached = [r for c in cells if (r := _reached(evidence, c, wanted)) is not None]
    if not reached:
        return Speed(math.nan, math.nan, 0, len(cells))
    seconds, steps = np.mean(reached, axis=0)
    return Speed(float(seconds), float(steps), len(reached), len(cells))


def _reached(
    evidence: Evidence, cell: Scores, wanted: Mapping[str, tuple[str, float]]
) -> tuple[float, float] | None:
    """Seconds, with the preparation of the data, and steps until all tasks reached their goals,
    training one model after another.
    """
    seconds, steps = cell.preparation, 0.0
    for trial in cell.trials:
        epochs = [_first(trial, *wanted[t], evidence.sign(t)) for t in trial.tasks]
        if None in epochs:
            return None
        last = max(e for e in epochs if e is not None)
        seconds += sum(e["seconds"] for e in trial.history[: last + 1])
        steps += sum(e["steps"] for e in trial.history[: last + 1])
    return seconds, steps


def _first(trial: TrialFigures, name: str, goal: float, sign: int) -> int | None:
    """Index of the first epoch that reaches the goal."""
    sign = -1 if name.endswith("_loss") else sign
    reached = (i for i, epoch in enumerate(trial.history) if sign * epoch[name] >= sign * goal)
    return next(reached, None)
