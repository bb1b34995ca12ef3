"""Whether the examples have columns that the inputs can read, and values to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from components.errors import listed
from components.inputs.base import kind_of
from components.statistics.column_statistics import (
    ColumnStatistics,
    NumericColumn,
    SplitStatistics,
    StringColumn,
)
from components.validation.anomalies import Finding
from components.validation.task_checks import absent
from models.inputs.base import Input


def input_findings(spec: Input, splits: Mapping[str, SplitStatistics]) -> Iterator[Finding]:
    """An input whose column is missing, of the wrong type, without values or infinite; values of
    the other splits that the model will not know, because training rows lack them.
    """
    train, subject = splits["train"].columns, f"inputs.{spec.name}"
    found = partial(Finding, subject, spec.column)
    column = train.get(spec.column)
    if column is None:
        yield found("SCHEMA_MISSING_COLUMN", f"{subject}: {absent(spec.column, train)}")
        return
    kind = kind_of(spec)
    if problem := kind.unfit(spec, column):
        yield found("UNEXPECTED_DATA_TYPE", problem)
        return
    if not column.present:
        sentence = f"{subject}: column {spec.column!r} has no values in train."
        yield found("FEATURE_TYPE_NOT_PRESENT", sentence, "WARNING")
    elif value := _only_value(column):
        sentence = f"{subject}: column {spec.column!r} is {value} in every row of train"
        yield found("CUSTOM_VALIDATION", f"{sentence}: nothing can be learned from it.", "WARNING")
    if isinstance(column, StringColumn) and (doubt := kind.doubt(spec, dict(_counts(column)))):
        yield found("UNKNOWN_TYPE", doubt, "WARNING")
    known = {value for value, _ in _counts(column)}
    for split in splits.values():
        here = split.columns[spec.column]
        if isinstance(here, NumericColumn) and here.infinite:
            holds = f"column {spec.column!r} holds {here.infinite} infinite values"
            sentence = f"{subject}: {holds} in {split.name}. Expected finite ones, or missing."
            yield found("FLOAT_TYPE_HAS_INF", sentence)
        unseen = [(value, n) for value, n in _counts(here) if value not in known]
        if unseen and kind.has_vocabulary(spec):
            yield found(
                "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
                f"{subject}: {split.name} holds values that train does not: {listed(unseen)}. The"
                " model will see them as unknown.",
                "WARNING",
            )


def _only_value(column: ColumnStatistics) -> str:
    """The value that all rows have; empty if they differ, or some have none."""
    if column.missing:
        return ""
    if isinstance(column, NumericColumn):
        same = column.minimum == column.maximum and not column.infinite
        return f"{column.minimum:g}" if same else ""
    counts = _counts(column)
    return repr(counts[0][0]) if len(counts) == 1 else ""


def _counts(column: ColumnStatistics) -> tuple[tuple[str, int], ...]:
    return column.values.counts if isinstance(column, StringColumn | NumericColumn) else ()
