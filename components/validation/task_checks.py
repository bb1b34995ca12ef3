"""Checks of the label columns: whether the examples can teach the tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from components.data.number_texts import marks_in
from components.errors import did_you_mean, listed
from components.labels.base import LabelColumn, Shape, labels_of
from components.statistics.column_statistics import (
    ColumnStatistics,
    ListColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
    ValueCounts,
)
from components.validation.anomalies import Finding, Severity
from models.tasks.base import Task

Splits = Mapping[str, SplitStatistics]


def task_findings(task: Task, splits: Splits) -> Iterator[Finding]:
    """Labels that are missing, outside their domain or all the same; classes without examples."""
    train, subject = splits["train"].columns, f"tasks.{task.name}"
    found = partial(Finding, subject, task.label)
    column = train.get(task.label)
    if column is None:
        yield found("SCHEMA_MISSING_COLUMN", f"{subject}: label {absent(task.label, train)}")
        return
    labels = labels_of(task)
    columns = {name: _label_column(s.columns[task.label]) for name, s in splits.items()}
    if problem := labels.unfit(task, columns["train"]):
        yield found("UNEXPECTED_DATA_TYPE", f"{subject}: {problem}")
        return
    if columns["train"].shape == "text" and (marks := marks_in(dict(columns["train"].counts))):
        yield found("UNKNOWN_TYPE", f"{subject}: {doubtful(task.label, marks)}", "WARNING")
    for doubt in labels.doubts(task, columns["train"]):
        yield found("UNKNOWN_TYPE", f"{subject}: {doubt}", "WARNING")
    for name, split in splits.items():
        if not columns[name].present:
            where = f"{name} has a label in column {task.label!r} ({split.rows} rows)"
            sentence = f"{subject}: no row of {where}."
            severity: Severity = "ERROR" if name == "train" else "WARNING"
            yield found("FEATURE_TYPE_NOT_PRESENT", sentence, severity)
    for problem in labels.problems(task, columns) if column.present else ():
        yield found("CUSTOM_VALIDATION", f"{subject}: {problem}")


def doubtful(label: str, marks: list[tuple[str, int]]) -> str:
    """The sentence about texts in a label column that usually mean a missing value."""
    return (
        f"column {label!r} holds {listed(marks)}, which usually means a missing value. Here it is a"
        " label. If it is missing, add it to the source's `null_values`."
    )


def weight_findings(weight: str, splits: Splits) -> Iterator[Finding]:
    """Row weights of the evaluation that are not numbers, missing, or below 0."""
    train, subject = splits["train"].columns, "evaluation.weight"
    found = partial(Finding, subject, weight)
    evaluated = next((s for n in ("test", "val") if (s := splits.get(n)) and s.rows), None)
    column = (evaluated or splits["train"]).columns.get(weight)
    if column is None:
        yield found("SCHEMA_MISSING_COLUMN", f"{subject}: {absent(weight, train)}")
    elif not isinstance(column, NumericColumn):
        sentence = f"{subject}: column {weight!r} holds {column.type} values. Expected numbers."
        yield found("UNEXPECTED_DATA_TYPE", sentence)
    elif evaluated and (column.missing or column.infinite or column.minimum < 0):
        yield found(
            "INVALID_DOMAIN_SPECIFICATION",
            f"{subject}: column {weight!r} of {evaluated.name} has {column.missing} missing and"
            f" {column.infinite} infinite values, and a minimum of {column.minimum:g}. Expected a"
            " finite number of 0 or more in every row.",
        )


def _label_column(column: ColumnStatistics) -> LabelColumn:
    values = ValueCounts()
    if isinstance(column, StringColumn | NumericColumn | ListColumn):
        values = column.values
    described = LabelColumn(
        type=column.type,
        shape=_SHAPES.get(column.kind, "other"),
        present=column.present,
        counts=values.counts,
        truncated=values.truncated,
    )
    if not isinstance(column, NumericColumn):
        return described
    return replace(
        described,
        infinite=column.infinite,
        minimum=column.minimum,
        mean=column.mean,
        deviation=column.deviation,
        percentiles=column.percentiles,
    )


_SHAPES: Mapping[str, Shape] = {"string": "text", "numeric": "numbers", "list": "lists"}


def absent(name: str, columns: Mapping[str, ColumnStatistics]) -> str:
    """How a sentence goes on about a column that the examples lack."""
    hint = did_you_mean(name, columns)
    return f"column {name!r} is not in the examples.{hint} Columns there: {', '.join(columns)}."
