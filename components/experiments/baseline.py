"""Baseline: classical models on the same rows, measured with the same metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from timeit import repeat
from typing import Any, Literal

from components.artifacts import Examples, TrialResult
from components.data.lazy import np, pa, pd
from components.evaluation.constant import best_constant
from components.experiments.peak_memory import PeakMemory
from components.experiments.trial_result import (
    Costs,
    Scored,
    TaskFigures,
    TrialFigures,
    groups_by_split,
    save_figures,
    task_figures,
)
from components.inputs.base import kind_of
from components.labels.base import Labels, Predict, labels_of
from components.labels.encoding import encode_table, resolve
from components.stage import Context, Stage
from components.training.subset import Subset, chosen_rows, target_of_rows
from models.inputs.base import Input
from models.tasks.base import Task, TaskTarget

TIMED_CALLS = 10


@dataclass(frozen=True)
class BaselineInputs:
    examples: Examples


@dataclass(frozen=True)
class BaselineOutputs:
    result: TrialResult


@dataclass(frozen=True, kw_only=True)
class Baseline(Stage[BaselineInputs, BaselineOutputs]):
    """A simple model for each task.

    model: `majority` gives every row the same answer, the best one for the task's metric.
        `classical` is a scikit-learn model that is usually strong and cheap: a linear model on
        TF-IDF weighted words for text, a linear model on pixels for images, gradient boosting for
        other columns.
    drawn_by: the task whose classes a subset keeps in proportion.
    metrics: by task, for `majority`. key: as for `Trial`.
    """

    model: Literal["majority", "classical"]
    inputs: tuple[Input, ...]
    tasks: tuple[Task, ...]
    drawn_by: Task
    subset: Subset | None = None
    seed: int = 0
    metrics: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()

    def run(self, inputs: BaselineInputs, context: Context) -> BaselineOutputs:
        examples = inputs.examples
        splits = [s for s in ("train", "val", "test") if examples.shards(s)]
        tables = {s: examples.read(s) for s in splits if examples.num_rows(s)}
        targets = [resolve(t, tables["train"].column(t.label)) for t in self.tasks]
        tables["train"] = tables["train"].take(self._rows(tables["train"]))
        columns = {split: features(self.inputs, table) for split, table in tables.items()}
        groups = groups_by_split(examples, self.key)
        by_task: dict[str, TaskFigures] = {}
        peak = PeakMemory()
        seconds = cpu_seconds = latency = 0.0
        for done, of_all_rows in enumerate(targets, 1):
            labels = {s: encode_table(of_all_rows, t, len(t)) for s, t in tables.items()}
            target = target_of_rows(labels["train"], of_all_rows)
            began, cpu = time.perf_counter(), time.process_time()
            predict = self._fitted(target, columns["train"], labels["train"])
            seconds += time.perf_counter() - began
            cpu_seconds += time.process_time() - cpu
            scored: Scored = {s: (labels[s], predict(columns[s])) for s in tables}
            by_task[target.name] = task_figures(target, scored, groups)
            latency += _latency(predict, columns["test"])
            context.observer.progress(done, len(self.tasks), "tasks")
        costs = Costs(
            rows=tables["train"].num_rows,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            parameters=0,
            trainable_parameters=0,
            latency_ms=latency,
            memory_mib=peak.mib(),
        )
        figures = TrialFigures(tasks=by_task, costs=costs)
        return BaselineOutputs(save_figures(figures, context.output / "result"))

    def _rows(self, train: pa.Table) -> np.ndarray:
        if self.subset is None:
            return np.arange(train.num_rows)
        target = resolve(self.drawn_by, train.column(self.drawn_by.label))
        labels = encode_table(target, train, len(train))
        return chosen_rows(self.subset, {target.name: labels}, (target,))

    def _fitted(self, target: TaskTarget, rows: pd.DataFrame, labels: np.ndarray) -> Predict:
        if self.model == "majority":
            return best_constant(target, labels, self.metrics[target.name])
        kind = labels_of(target.task)
        make = partial(classical, self.inputs, kind, self.seed)
        return kind.fit(make, rows, labels, len(target.classes))


def features(inputs: tuple[Input, ...], table: pa.Table) -> pd.DataFrame:
    """The columns that a classical model reads: `<input>`, or `<input>.<index>` for pixels."""
    parts = [kind_of(i).baseline_columns(i, table.column(i.column)) for i in inputs]
    return pd.concat(parts, axis=1)


def classical(inputs: tuple[Input, ...], labels: Labels[Any], seed: int) -> Any:
    """The scikit-learn model that usually does well with such inputs and labels."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    wide = any(kind_of(i).is_wide(i) for i in inputs)
    encoders = [kind_of(i).baseline_encoder(i, wide) for i in inputs]
    estimator = labels.estimator("linear" if wide else "boosting", seed)
    return make_pipeline(make_column_transformer(*encoders), estimator)


def _latency(predict: Predict, rows: pd.DataFrame) -> float:
    """Milliseconds to predict one row: the median, without the first call."""
    predict(rows[:1])
    return 1000 * median(repeat(lambda: predict(rows[:1]), number=1, repeat=TIMED_CALLS))
