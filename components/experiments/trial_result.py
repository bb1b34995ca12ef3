"""What a study keeps of each model: metrics on each split, and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from components.artifacts import Examples, TrialResult
from components.data.lazy import np
from components.evaluation.groups import Groups
from components.evaluation.metrics import Predictions, family_of, measure
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget

REPLICATES = 100
FILE = "trial.json"
Values = Mapping[str, float | None]
Replicates = Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True, kw_only=True)
class TaskFigures:
    """Metrics of one task (see `components.evaluation.metrics`) by split; None if undefined.

    train: on the rows that the model was trained on.
    resampled: on `REPLICATES` bootstrap samples of the test split. Sample b has the same groups of
        rows in all trials on the same data, so that differences between trials are paired.
    resampled_val: the same for the validation split.
    groups: by split, how many groups have labelled rows.
    """

    kind: str
    train: Values
    val: Values
    test: Values
    resampled: Replicates
    resampled_val: Replicates = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of training and of serving a model.

    rows: number of training rows. steps: of the optimizer; each step trains all tasks of the model.
    seconds: wall-clock time to build and train the model, including validation; of the epochs only
        if training was resumed. cpu_seconds: CPU time of the process in training; None if training
        was resumed.
    latency_ms: median time to answer one preprocessed row.
    memory_mib: peak memory of training, minus the memory of the process before; None if unknown.
    """

    rows: int
    steps: int = 0
    epochs: int = 0
    seconds: float
    cpu_seconds: float | None
    parameters: int
    trainable_parameters: int
    latency_ms: float
    memory_mib: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrialFigures:
    """The result of a trial. history: figures of each epoch; empty for classical models."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="constants")
    tasks: Mapping[str, TaskFigures]
    costs: Costs
    history: tuple[Mapping[str, float], ...] = ()


Scored = Mapping[str, tuple["np.ndarray", "np.ndarray"]]
"""Encoded labels and answers [rows, width] by split."""


def groups_by_split(examples: Examples, key: tuple[str, ...]) -> dict[str, Groups]:
    """The groups of the rows of val and test. Without a key, every row is a group of its own."""
    return {
        split: Groups.by_key(examples.read(split, list(key)), key)
        if key
        else Groups.of_rows(examples.num_rows(split))
        for split in ("val", "test")
        if examples.num_rows(split)
    }


def task_figures(target: TaskTarget, scored: Scored, groups: Mapping[str, Groups]) -> TaskFigures:
    """Measure a task on all splits, and on bootstrap samples of the test and validation splits.

    groups: of the rows of these two splits.
    """
    values: dict[str, Values] = {s: measure(target, *arrays).values for s, arrays in scored.items()}
    return TaskFigures(
        kind=target.task.kind,
        train=values["train"],
        val=values.get("val", {}),
        test=values["test"],
        resampled=resampled(target, *scored["test"], groups["test"]),
        resampled_val=resampled(target, *scored["val"], groups["val"]) if "val" in scored else {},
        groups={s: g.holding(labelled(scored[s][0])) for s, g in groups.items() if s in scored},
    )


def resampled(
    target: TaskTarget, labels: np.ndarray, answers: np.ndarray, groups: Groups
) -> dict[str, tuple[float | None, ...]]:
    """Metrics on samples of the Poisson bootstrap: each group, with all its rows, counts as often
    as a draw of mean 1.
    """
    family = family_of(target.task.kind)
    counts = np.random.default_rng(0).poisson(1.0, (REPLICATES, groups.count))
    draws = groups.spread(counts.astype(np.float64))
    has_label = labelled(labels)
    outputs = np.asarray(answers, np.float64)[has_label]
    if not has_label.any() or not np.isfinite(outputs).all():
        return dict.fromkeys(family.names, (None,) * REPLICATES)
    rows = Predictions(labels[has_label], outputs, target.decision)
    values = family.values(rows, draws[:, has_label])
    return {m: tuple(None if np.isnan(x) else float(x) for x in v) for m, v in values.items()}


def save_figures(figures: TrialFigures, directory: Path) -> TrialResult:
    directory.mkdir()
    (directory / FILE).write_bytes(_adapter().dump_json(figures))
    return TrialResult(directory)


def load_figures(result: TrialResult) -> TrialFigures:
    return _adapter().validate_json((result.path / FILE).read_bytes())


@cache
def _adapter() -> TypeAdapter[TrialFigures]:
    return TypeAdapter(TrialFigures)
