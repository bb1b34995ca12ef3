"""Categories in the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.data.lazy import pa
from components.data.number_texts import FEW_NUMBERS, numbers_in
from components.errors import listed
from components.inputs.base import InputKind, SpecPart, holds
from components.inputs.strings import identifies_rows, looks_like
from components.statistics.column_statistics import ColumnStatistics, NumericColumn, StringColumn
from models.inputs.categorical import CategoricalInput

MOST_CATEGORIES = 1000
"""Columns with more values are guessed to be hashed."""
BUCKETS = 4096


class CategoricalKind(InputKind[CategoricalInput]):
    def unfit(self, spec: CategoricalInput, column: ColumnStatistics) -> str:
        if not isinstance(column, StringColumn | NumericColumn):
            return (
                f"{holds(spec, column)}. Expected text, whole numbers or booleans, each value a"
                " category."
            )
        if spec.part is not None and not isinstance(column, StringColumn):
            return f"{holds(spec, column)}. Expected dates as ISO 8601 text."
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
        if (likeness := looks_like(column)) != "words":
            return {"kind": "categorical", "part": "month"} if likeness == "dates" else None
        if reason := identifies_rows(column):
            return reason
        values = column.drop_null()
        numbers = numbers_in({v["values"]: v["counts"] for v in values.value_counts().to_pylist()})
        if numbers and numbers.nearly_all and numbers.distinct > FEW_NUMBERS:
            return f"numbers that are stored as text, such as {values[0].as_py()!r}"
        many = len(values.unique()) > min(MOST_CATEGORIES, len(values) / 2)
        return {"kind": "categorical"} | ({"buckets": BUCKETS} if many else {})

    def is_wide(self, spec: CategoricalInput) -> bool:
        return False

    def baseline_encoder(self, spec: CategoricalInput, wide: bool) -> tuple[Any, Any]:
        from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

        if wide:
            return OneHotEncoder(handle_unknown="ignore", min_frequency=2), [spec.name]
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), [spec.name]
