"""Whether the examples can teach what the spec asks: inputs that can be read, labels that vary."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from components.labels.encoding import class_of, classes_of, outside, split_labels
from components.statistics.column_fit import unfit
from components.statistics.column_statistics import (
    ColumnStatistics,
    ListColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
    ValueCounts,
)
from components.validation.anomalies import Finding
from components.validation.schema_checks import listed
from models.inputs.spec import CategoricalInput, Input
from models.tasks.base import Task
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

Splits = Mapping[str, SplitStatistics]


def input_findings(given: Input, splits: Splits) -> Iterator[Finding]:
    """An input whose column is absent, of the wrong kind, without values or infinite; and
    categories that training rows never show.
    """
    train = splits["train"].columns
    error = Finding(subject=f"inputs.{given.name}", column=given.column, sentence="")
    warning = replace(error, severity="WARNING")
    column = train.get(given.column)
    if column is None:
        told = f"inputs.{given.name}: {_absent(given.column, train)}"
        yield replace(error, type="SCHEMA_MISSING_COLUMN", sentence=told)
        return
    if wrong := unfit(given, column):
        yield replace(error, type="UNEXPECTED_DATA_TYPE", sentence=wrong)
        return
    if not column.present:
        told = f"inputs.{given.name}: column {given.column!r} has no values in train."
        yield replace(warning, type="FEATURE_TYPE_NOT_PRESENT", sentence=told)
    for split in splits.values():
        here = split.columns[given.column]
        if isinstance(here, NumericColumn) and here.infinite:
            yield replace(
                error,
                type="FLOAT_TYPE_HAS_INF",
                sentence=f"inputs.{given.name}: column {given.column!r} holds {here.infinite}"
                f" infinite values in {split.name}. Expected finite ones, or missing.",
            )
        seen = isinstance(given, CategoricalInput) and not (given.buckets or given.part)
        if seen and split.name != "train":
            unseen = _without(here, {v for v, _ in _counts(column)})
            if unseen:
                yield replace(
                    warning,
                    type="ENUM_TYPE_UNEXPECTED_STRING_VALUES",
                    sentence=f"inputs.{given.name}: {split.name} holds values that train does not:"
                    f" {listed(unseen)}. The model will see them as unknown.",
                )


def task_findings(task: Task, splits: Splits) -> Iterator[Finding]:
    """Labels that are absent, outside their domain, or all the same; classes without examples."""
    train = splits["train"].columns
    error = Finding(subject=f"tasks.{task.name}", column=task.label, sentence="")
    warning = replace(error, severity="WARNING")
    where = f"tasks.{task.name}:"
    column = train.get(task.label)
    if column is None:
        told = f"{where} label {_absent(task.label, train)}"
        yield replace(error, type="SCHEMA_MISSING_COLUMN", sentence=told)
        return
    if wrong := _wrong_kind(task, column):
        yield replace(error, type="UNEXPECTED_DATA_TYPE", sentence=f"{where} {wrong}")
        return
    for split in splits.values():
        if not split.columns[task.label].present:
            yield replace(
                error if split.name == "train" else warning,
                type="FEATURE_TYPE_NOT_PRESENT",
                sentence=f"{where} no row of {split.name} has a label in column {task.label!r}"
                f" ({split.rows} rows).",
            )
    if not column.present:
        return
    if isinstance(task, RegressionTask):
        sentences = _regression(task, splits)
    elif isinstance(task, BinaryTask):
        sentences = _binary(task, column)
    else:
        sentences = [*_outside_domain(task, splits), *_classes(task, column)]
    yield from (replace(error, sentence=f"{where} {sentence}") for sentence in sentences)


def weight_findings(weight: str, splits: Splits) -> Iterator[Finding]:
    """Row weights of the evaluation that are no numbers, missing, or below 0."""
    train = splits["train"].columns
    error = Finding(subject="evaluation.weight", column=weight, sentence="")
    evaluated = next((s for n in ("test", "val") if (s := splits.get(n)) and s.rows), None)
    column = (evaluated or splits["train"]).columns.get(weight)
    if column is None:
        told = f"evaluation.weight: {_absent(weight, train)}"
        yield replace(error, type="SCHEMA_MISSING_COLUMN", sentence=told)
    elif not isinstance(column, NumericColumn):
        told = f"evaluation.weight: column {weight!r} holds {column.type} values. Expected numbers."
        yield replace(error, type="UNEXPECTED_DATA_TYPE", sentence=told)
    elif evaluated and (column.missing or column.infinite or column.minimum < 0):
        yield replace(
            error,
            type="INVALID_DOMAIN_SPECIFICATION",
            sentence=f"evaluation.weight: column {weight!r} of {evaluated.name} has"
            f" {column.missing} missing and {column.infinite} infinite values, and"
            f" {column.minimum:g} as its smallest. Expected a finite number of 0 or more in every"
            " row.",
        )


def _regression(task: RegressionTask, splits: Splits) -> list[str]:
    found = []
    for split in splits.values():
        column = split.columns[task.label]
        assert isinstance(column, NumericColumn)
        if column.infinite:
            found.append(
                f"{column.infinite} labels in column {task.label!r} of {split.name} are infinite."
            )
        if split.name == "train" and column.deviation == 0:
            found.append(
                f"every label in column {task.label!r} of train is {column.mean:g}: there is"
                " nothing to learn."
            )
    return found


def _binary(task: BinaryTask, column: ColumnStatistics) -> list[str]:
    counts = _counts(column)
    total = sum(n for _, n in counts)
    yes = sum(n for v, n in counts if v in task.positive)
    if 0 < yes < total:
        return []
    values = [v for v, _ in counts]
    close = [m for p in task.positive for m in difflib.get_close_matches(p, values, 1)]
    hint = f" Did you mean {close[0]!r}?" if close and not yes else ""
    which = "positive" if yes else "negative"
    wanted = ", ".join(repr(p) for p in task.positive)
    return [
        f"all {total} labels of train in column {task.label!r} are {which}: positive is {wanted},"
        f" and the values there are {listed(counts)}.{hint}"
    ]


def _outside_domain(task: MulticlassTask | MultilabelTask, splits: Splits) -> list[str]:
    classes = classes_of(task, [v for v, _ in _labels(task, splits["train"])])
    found = []
    for split in splits.values():
        others = [
            (value, count)
            for value, count in _labels(task, split)
            if (class_of(task, value) if isinstance(task, MulticlassTask) else value) not in classes
        ]
        if others:
            found.append(
                f"column {task.label!r} of {split.name} holds labels outside the domain:"
                f" {listed(others)}. {others[0][0]!r} {outside(task, others[0][0], classes)}"
            )
    return found


def _classes(task: MulticlassTask | MultilabelTask, column: ColumnStatistics) -> list[str]:
    """Of the training split: only one class, or declared ones that have no examples."""
    labels = _split(task, column)
    there = {class_of(task, v) if isinstance(task, MulticlassTask) else v for v, _ in labels}
    found = [
        f"class {name!r} has no examples in train. Expected some, or the class left out."
        for name in classes_of(task, [v for v, _ in labels])
        if name not in there
    ]
    if isinstance(task, MulticlassTask) and len(there) == 1:
        found.append(
            f"all labels of train in column {task.label!r} mean class {min(map(str, there))!r}:"
            " there is nothing to learn."
        )
    if not there:
        found.append(f"no row of train has any label in column {task.label!r}.")
    return found


def _labels(task: MulticlassTask | MultilabelTask, split: SplitStatistics) -> list[tuple[str, int]]:
    return _split(task, split.columns[task.label])


def _split(
    task: MulticlassTask | MultilabelTask, column: ColumnStatistics
) -> list[tuple[str, int]]:
    """Single label values with their counts."""
    counts = _counts(column)
    if isinstance(task, MulticlassTask) or isinstance(column, ListColumn):
        return counts
    together: dict[str, int] = {}
    for text, count in counts:
        for label in split_labels(task, text):
            together[label] = together.get(label, 0) + count
    return list(together.items())


def _wrong_kind(task: Task, column: ColumnStatistics) -> str:
    """Why a column cannot hold the labels of a task; empty if it can."""
    what = f"label column {task.label!r} holds {column.type} values."
    if isinstance(task, RegressionTask):
        fits = isinstance(column, NumericColumn) and column.type != "bool"
        return "" if fits else f"{what} Expected numbers for a regression task."
    kinds: tuple[type[ColumnStatistics], ...] = (StringColumn, NumericColumn)
    if isinstance(task, MultilabelTask):
        kinds = (StringColumn, NumericColumn, ListColumn)
    if not isinstance(column, kinds):
        return f"{what} Expected {' or '.join(_KINDS[k] for k in kinds)} for a {task.kind} task."
    if _values(column).truncated:
        return f"{what} They have too many distinct values to be classes."
    return ""


_KINDS: dict[type[ColumnStatistics], str] = {
    StringColumn: "text",
    NumericColumn: "numbers",
    ListColumn: "lists",
}


def _counts(column: ColumnStatistics) -> list[tuple[str, int]]:
    return list(_values(column).counts)


def _values(column: ColumnStatistics) -> ValueCounts:
    if isinstance(column, StringColumn | NumericColumn | ListColumn):
        return column.values
    return ValueCounts()


def _without(column: ColumnStatistics, known: set[str]) -> list[tuple[str, int]]:
    return [(v, n) for v, n in _counts(column) if v not in known]


def _absent(name: str, columns: Mapping[str, ColumnStatistics]) -> str:
    close = difflib.get_close_matches(name, columns, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"column {name!r} is not in the examples.{hint} Columns there: {', '.join(columns)}."
