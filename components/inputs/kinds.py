"""The kind of an input, and whether the examples have a column that it can read."""

from __future__ import annotations

from typing import Any

from components.errors import RootstockError
from components.inputs.base import InputKind
from components.statistics.column_statistics import ColumnStatistics, SplitStatistics
from models.discovery import methods, part
from models.inputs.base import Input


def kind_of(spec: Input) -> InputKind[Any]:
    """What the stages need to know about the kind of an input."""
    return part("components.inputs", InputKind, spec.kind)()


def all_kinds() -> list[InputKind[Any]]:
    """Every kind, by name."""
    names = methods("models.inputs", Input, key="kind")
    return [part("components.inputs", InputKind, name)() for name in names]


def column_of(spec: Input, split: SplitStatistics) -> ColumnStatistics:
    """The statistics of the column that an input reads.

    Raises:
        RootstockError: the column is missing, or the input cannot read it.
    """
    column = split.columns.get(spec.column)
    if column is None:
        raise RootstockError(
            f"inputs.{spec.name}: no column {spec.column!r} in the examples. Columns there:"
            f" {', '.join(split.columns)}."
        )
    if problem := kind_of(spec).unfit(spec, column):
        raise RootstockError(problem)
    return column
