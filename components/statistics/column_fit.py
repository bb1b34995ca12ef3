"""Column fit."""

from __future__ import annotations

from components.errors import RootstockError
from components.statistics.column_statistics import (
    ColumnStatistics,
    ImageColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
    TextColumn,
)
from models.inputs.features import (
    reads_numbers,
)
from models.inputs.spec import (
    CategoricalInput,
    ImageInput,
    Input,
    TextInput,
)


def column_of(given: Input, split: SplitStatistics) -> ColumnStatistics:
    """The statistics of the column that an input reads.

    Raises:
        RootstockError: as `feature_of`.
    """
    column = split.columns.get(given.column)
    if column is None:
        raise RootstockError(
            f"inputs.{given.name}: no column {given.column!r} in the examples. Columns there:"
            f" {', '.join(split.columns)}."
        )
    if wrong := unfit(given, column):
        raise RootstockError(wrong)
    return column


def unfit(given: Input, column: ColumnStatistics) -> str:
    """Why an input cannot read a column; empty if it can."""
    what = f"inputs.{given.name}: column {given.column!r} holds {column.type} values"
    if isinstance(given, ImageInput) and not isinstance(column, ImageColumn):
        return f"{what}. Expected encoded images (bytes)."
    if isinstance(given, TextInput) and not isinstance(column, TextColumn):
        return f"{what}. Expected text."
    if reads_numbers(given) and not isinstance(column, NumericColumn):
        values = column.values.counts[:3] if isinstance(column, StringColumn) else ()
        some = ", ".join(repr(v) for v, _ in values)
        return (
            f"{what}{f' such as {some}' if some else ''}. Expected numbers: add what means missing"
            " to the source's `null_values`, or declare the column's type under `types`."
        )
    if isinstance(given, CategoricalInput):
        if not isinstance(column, StringColumn | NumericColumn):
            return f"{what}. Expected text, whole numbers or booleans, each value a category."
        if given.part is not None and not isinstance(column, StringColumn):
            return f"{what}. Expected dates as ISO 8601 text."
        if column.values.truncated and given.buckets is None and given.part is None:
            return f"{what}, too many distinct ones for categories. Set `buckets` to hash them."
    return ""
