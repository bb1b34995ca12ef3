"""Whether the examples have columns that the inputs can read, and values to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

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
    train = splits["train"].columns
    where = f"inputs.{spec.name}:"
    error = Finding(subject=f"inputs.{spec.name}", column=spec.column, sentence="")
    warning = replace(error, severity="WARNING")
    column = train.get(spec.column)
    if column is None:
        sentence = f"{where} {absent(spec.column, train)}"
        yield replace(error, type="SCHEMA_MISSING_COLUMN", sentence=sentence)
        return
    kind = kind_of(spec)
    if problem := kind.unfit(spec, column):
        yield replace(error, type="UNEXPECTED_DATA_TYPE", sentence=problem)
        return
    if not column.present:
        sentence = f"{where} column {spec.column!r} has no values in train."
        yield replace(warning, type="FEATURE_TYPE_NOT_PRESENT", sentence=sentence)
    for split in splits.values():
        here = split.columns[spec.column]
        if isinstance(here, NumericColumn) and here.infinite:
            yield replace(
                error,
                type="FLOAT_TYPE_HAS_INF",
                sentence=f"{where} column {spec.column!r} holds {here.infinite} infinite values in"
                f" {split.name}. Expected finite ones, or missing.",
            )
        if split.name != "train" and kind.has_vocabulary(spec):
            known = {value for value, _ in _counts(column)}
            unseen = [(value, n) for value, n in _counts(here) if value not in known]
            if unseen:
                yield replace(
                    warning,
                    type="ENUM_TYPE_UNEXPECTED_STRING_VALUES",
                    sentence=f"{where} {split.name} holds values that train does not:"
                    f" {listed(unseen)}. The model will see them as unknown.",
                )


def _counts(column: ColumnStatistics) -> tuple[tuple[str, int], ...]:
    return column.values.counts if isinstance(column, StringColumn | NumericColumn) else ()
