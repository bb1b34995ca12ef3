"""Categories in the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.data.casting import is_number
from components.data.lazy import pa, pc
from components.data.number_texts import FEW_NUMBERS, numbers_in
from components.errors import listed
from components.inputs.base import InputKind, SpecPart, holds
from components.inputs.identifiers import identifies
from components.inputs.strings import date_formats, identifies_rows, looks_like
from components.statistics.column_statistics import ColumnStatistics, NumericColumn, StringColumn
from models.inputs.categorical import CategoricalInput, DatePart

RARE = 3
"""A column with fewer rows for a value, on average, is left out."""
FREQUENT = 10
"""Rows of a category from which a model can learn about it."""
MANY = 1000
"""A column with more categories is guessed to keep only the frequent ones."""


class CategoricalKind(InputKind[CategoricalInput]):
    def unfit(self, spec: CategoricalInput, column: ColumnStatistics) -> str:
        if not isinstance(column, StringColumn | NumericColumn):
            return (
                f"{holds(spec, column)}. Expected text, whole numbers or booleans, each value a"
                " category."
            )
        if spec.part is not None and not isinstance(column, StringColumn):
            return f"{holds(spec, column)}. Expected dates as text, such as 2024-01-31."
        if column.values.truncated and self.has_vocabulary(spec):
            return (
                f"{holds(spec, column)}, too many distinct ones for categories. Set `buckets` to"
                " hash them."
            )
        return ""

    def doubt(self, spec: CategoricalInput, counts: Mapping[str, int]) -> str:
        numbers = numbers_in(counts) if spec.part is None else None
        if numbers is None or not numbers.nearly_all or numbers.distinct <= FEW_NUMBERS:
            return ""
        rest = listed([*numbers.missing.items(), *numbers.others.items()])
        spelled = f", spelled as in {numbers.format}" if numbers.format else ""
        return (
            f"inputs.{spec.name}: {numbers.share:.1%} of the values of column {spec.column!r} are"
            f" numbers{spelled}, but it is text{f' because of {rest}' if rest else ''}, and each"
            " number is a category. If they are amounts, take `kind: numeric`, and set"
            " `null_values` or `number_formats` of the source."
        )

    def has_vocabulary(self, spec: CategoricalInput) -> bool:
        return spec.buckets is None and spec.part is None

    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        if looks_like(column) == "dates":
            return _of_dates(column.drop_null())
        numbers = is_number(column.type)
        if (identifies(name, column) != "things") if numbers else (looks_like(column) != "words"):
            return None
        if reason := identifies_rows(column):
            return reason
        counts = {p["values"]: p["counts"] for p in column.drop_null().value_counts().to_pylist()}
        return {"kind": "categorical"} if numbers else _of_texts(counts)

    def is_wide(self, spec: CategoricalInput) -> bool:
        return False

    def baseline_encoder(self, spec: CategoricalInput, wide: bool) -> tuple[Any, Any]:
        from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

        if wide:
            return OneHotEncoder(handle_unknown="ignore", min_frequency=2), [spec.name]
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), [spec.name]


def _of_dates(values: pa.ChunkedArray) -> SpecPart:
    """Those parts of which there are several values."""
    date_format = date_formats(values)[0]
    parts: list[DatePart] = ["month", "weekday"]
    if _different(values, "(?P<part>[0-9]{4})"):
        parts.insert(0, "year")
    twelve = pc.any(pc.match_substring_regex(values, "(?i)[0-9] ?[ap]m")).as_py()
    if not twelve and _different(values, "[T ](?P<part>[0-9]{1,2}):"):
        parts.append("hour")
    spec = {"kind": "categorical", "part": tuple(parts)}
    return spec if date_format == "y-m-d" else spec | {"date_format": date_format}


def _different(values: pa.ChunkedArray, pattern: str) -> bool:
    parts = pc.struct_field(pc.extract_regex(values, pattern), "part")
    return len(parts.drop_null().unique()) > 1


def _of_texts(counts: Mapping[str, int]) -> SpecPart | str:
    """The input for words: rare ones teach a model the rows by heart, so that it does worse with
    them than without. The frequent ones are kept if they are many; else the column is left out.
    """
    example, rows = next(iter(counts)), sum(counts.values())
    numbers = numbers_in(counts)
    if numbers and numbers.nearly_all and numbers.distinct > FEW_NUMBERS:
        return f"numbers that are stored as text, such as {example!r}"
    frequent = [n for n in counts.values() if n >= FREQUENT]
    each, many = rows / len(counts), len(counts) > MANY
    if len(counts) > FREQUENT and (each < RARE or (many and sum(frequent) < rows / 2)):
        return f"{len(counts):,} different texts, {each:.1f} rows each: too few to learn from"
    return {"kind": "categorical"} | ({"max_values": len(frequent)} if many else {})
