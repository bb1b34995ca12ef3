"""What a study keeps of every model: what it is worth on each split, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from components.artifacts import TrialResult
from components.data.arrow import np
from components.evaluation.metrics import DECISION, family_of, measure
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget

REPLICATES = 100
FILE = "trial.json"
Values = Mapping[str, float | None]
Replicates = Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True, kw_only=True)
class TaskFigures:
    """Metrics of one task by name (`components.evaluation.metrics`) on each split.

    None means undefined.

    train: on the rows that were trained on.
    resampled: of the test split, on `REPLICATES` bootstrap samples of its rows. Sample b holds the
        same rows in every trial on the same data, so that differences of trials are paired.
    resampled_val: likewise of the validation split.
    """

    kind: str
    train: Values
    val: Values
    test: Values
    resampled: Replicates
    resampled_val: Replicates = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a model took to train, and what it takes to serve.

    rows: trained on. steps: of the optimizer, each of which serves all tasks of the model.
    seconds: wall clock of the training epochs, validation included. cpu_seconds: of the process
        meanwhile; None where training was resumed.
    latency_ms: median time to answer one preprocessed row.
    memory_mib: the most that training took, over what its process had before.
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
    """All that is kept of a trial. history: figures of every epoch; empty for classical models."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="constants")
    tasks: Mapping[str, TaskFigures]
    costs: Costs
    history: tuple[Mapping[str, float], ...] = ()


Scored = Mapping[str, tuple["np.ndarray", "np.ndarray"]]
"""By split: encoded labels, and answers [rows, width]."""


def task_figures(target: TaskTarget, scored: Scored) -> TaskFigures:
    """Measure a task on train, val (where there is one) and test, and on samples of test."""
    values: dict[str, Values] = {s: measure(target, *given).values for s, given in scored.items()}
    return TaskFigures(
        kind=target.task.kind,
        train=values["train"],
        val=values.get("val", {}),
        test=values["test"],
        resampled=_resampled(target, *scored["test"]),
        resampled_val=_resampled(target, *scored["val"]) if "val" in scored else {},
    )


def _resampled(
    target: TaskTarget, labels: np.ndarray, answers: np.ndarray
) -> dict[str, tuple[float | None, ...]]:
    """Poisson bootstrap: every row counts as often as a draw of mean 1 says, drawn by its place."""
    family = family_of(target.task.kind)
    draws = np.random.default_rng(0).poisson(1.0, (REPLICATES, len(labels))).astype(np.float64)
    carries = labelled(labels)
    outputs = np.asarray(answers, np.float64)[carries]
    if not carries.any() or not np.isfinite(outputs).all():
        return dict.fromkeys(family.names, (None,) * REPLICATES)
    values = family.values(labels[carries], outputs, draws[:, carries], DECISION)
    return {m: tuple(None if np.isnan(x) else float(x) for x in v) for m, v in values.items()}


def save_figures(figures: TrialFigures, directory: Path) -> TrialResult:
    """Write the artifact."""
    directory.mkdir()
    (directory / FILE).write_bytes(_adapter().dump_json(figures))
    return TrialResult(directory)


def load_figures(result: TrialResult) -> TrialFigures:
    """Read the artifact."""
    return _adapter().validate_json((result.path / FILE).read_bytes())


@cache
def _adapter() -> TypeAdapter[TrialFigures]:
    return TypeAdapter(TrialFigures)
