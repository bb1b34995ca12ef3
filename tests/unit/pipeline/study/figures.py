"""Evidence of which the truth is known: figures as trials would give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.evaluation.metrics import family_of
from components.experiments.trial_result import REPLICATES, Costs, TaskFigures, TrialFigures
from pipeline.spec.load import SpecSource
from pipeline.study.design import design
from pipeline.study.evidence import Evidence, Scores
from pipeline.study.jobs import Cell
from tests.planted import write_spec

TASKS = ("up", "side")
FRACTIONS = {0.1: 45, 0.3: 135, 1.0: 450}


def evidence(
    directory: Path, gains: dict[str, dict[str, float]], seeds: int = 9, more: str = ""
) -> Evidence:
    """Of a model per task and one for both. gains: by arm and task, over an AUC that grows from
    0.7 to 0.9 with the rows.
    """
    asked = design(SpecSource(write_spec(directory, TASKS, more)))
    rng, cells = np.random.default_rng(0), {}
    for fraction, rows in FRACTIONS.items():
        for seed in range(seeds):
            shared = rng.normal(0, 0.01)
            for arm, gain in gains.items():
                tasks = {
                    t: task_figures(1 - 2 * rows**-0.5 + shared + gain[t] + rng.normal(0, 0.001))
                    for t in TASKS
                }
                cells[Cell(arm, fraction, seed)] = Scores(tasks, (trial(tasks, rows),))
    return Evidence(asked, dict(FRACTIONS), cells)


def task_figures(auc: float) -> TaskFigures:
    values = dict.fromkeys(family_of("binary").names, 0.5) | {"auc": auc}
    train = values | {"auc": auc + 0.02}
    resampled = {m: (v,) * REPLICATES for m, v in values.items()}
    return TaskFigures(
        kind="binary",
        train=train,
        val=values,
        test=values,
        resampled=resampled,
        resampled_val=resampled,
    )


def trial(tasks: dict[str, TaskFigures], rows: int) -> TrialFigures:
    costs = Costs(
        rows=rows,
        steps=20,
        epochs=2,
        seconds=3.0,
        cpu_seconds=2.5,
        parameters=100,
        trainable_parameters=100,
        latency_ms=1.0,
    )
    epoch = {f"val_{t}_{m}": v for t in tasks for m, v in (("loss", 0.4), ("auc", 0.8))}
    epoch |= {"seconds": 1.5, "train_seconds": 1.2, "steps": 10}
    return TrialFigures(tasks=tasks, costs=costs, history=(epoch, epoch))
