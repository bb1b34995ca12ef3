"""Checks of the label columns: whether the examples can teach the tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from components.errors import did_you_mean
from components.labels.base import LabelColumn, Shape, labels_of
from components.statistics.column_statistics import (
    ColumnStatistics,
    ListColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
    ValueCounts,
)
from components.validation.anomalies import Finding
from models.tasks.base import Task

Splits = Mapping[str, SplitStatistics]


def task_findings(task: Task, splits: Splits) -> Iterator[Finding]:
    """Labels that are missing, outside their domain or all the same; classes without examples."""
    train = splits["train"].columns
    error = Finding(subject=f"tasks.{task.name}", column=task.label, sentence="")
    warning = replace(error, severity="WARNING")
    where = f"tasks.{task.name}:"
    column = train.get(task.label)
    if column is None:
        sentence = f"{where} label {absent(task.label, train)}"
        yield replace(error, type="SCHEMA_MISSING_COLUMN", sentence=sentence)
        return
    labels = labels_of(task)
    columns = {name: _label_column(s.columns[task.label]) for name, s in splits.items()}
    if problem := labels.unfit(task, columns["train"]):
        yield replace(error, type="UNEXPECTED_DATA_TYPE", sentence=f"{where} {problem}")
        return
    for name, split in splits.items():
        if not columns[name].present:
            yield replace(
                error if name == "train" else warning,
                type="FEATURE_TYPE_NOT_PRESENT",
                sentence=f"{where} no row of {name} has a label in column {task.label!r}"
                f" ({split.rows} rows).",
            )
    if not column.present:
        return
    for problem in labels.problems(task, columns):
        yield replace(error, sentence=f"{where} {problem}")


def weight_findings(weight: str, splits: Splits) -> Iterator[Finding]:
    """Row weights of the evaluation that are not numbers, missing, or below 0."""
    train = splits["train"].columns
    error = Finding(subject="evaluation.weight", column=weight, sentence="")
    evaluated = next((s for n in ("test", "val") if (s := splits.get(n)) and s.rows), None)
    column = (evaluated or splits["train"]).columns.get(weight)
    if column is None:
        sentence = f"evaluation.weight: {absent(weight, train)}"
        yield replace(error, type="SCHEMA_MISSING_COLUMN", sentence=sentence)
    elif not isinstance(column, NumericColumn):
        sentence = (
            f"evaluation.weight: column {weight!r} holds {column.type} values. Expected numbers."
        )
        yield replace(error, type="UNEXPECTED_DATA_TYPE", sentence=sentence)
    elif evaluated and (column.missing or column.infinite or column.minimum < 0):
        yield replace(
            error,
            type="INVALID_DOMAIN_SPECIFICATION",
            sentence=f"evaluation.weight: column {weight!r} of {evaluated.name} has"
            f" {column.missing} missing and {column.infinite} infinite values, and"
            f" a minimum of {column.minimum:g}. Expected a finite number of 0 or more in every"
            " row.",
        )


def _label_column(column: ColumnStatistics) -> LabelColumn:
    values = _values(column)
    described = LabelColumn(
        type=column.type,
        shape=_SHAPES.get(type(column), "other"),
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
    )


_SHAPES: Mapping[type[ColumnStatistics], Shape] = {
    StringColumn: "text",
    NumericColumn: "numbers",
    ListColumn: "lists",
}


def _values(column: ColumnStatistics) -> ValueCounts:
    if isinstance(column, StringColumn | NumericColumn | ListColumn):
        return column.values
    return ValueCounts()


def absent(name: str, columns: Mapping[str, ColumnStatistics]) -> str:
    """How a sentence goes on about a column that the examples lack."""
    hint = did_you_mean(name, columns)
    return f"column {name!r} is not in the examples.{hint} Columns there: {', '.join(columns)}."
