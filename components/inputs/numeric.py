"""Numbers in the stages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from components.inputs.base import (
    InputKind,
    SpecPart,
    not_numbers,
    number_column,
    number_encoder,
)
from components.inputs.strings import identifies_rows
from components.statistics.column_statistics import ColumnStatistics
from models.inputs.numeric import NumericInput

if TYPE_CHECKING:
    import pandas as pd

_KEY = re.compile(r"(^|[^a-z])(id|key|uuid)$")


class NumericKind(InputKind[NumericInput]):
    """Integers, floats and booleans."""

    def unfit(self, spec: NumericInput, column: ColumnStatistics) -> str:
        return not_numbers(spec, column)

    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        if pa.types.is_integer(column.type) and _KEY.search(name.lower()):
            return identifies_rows(column) or {"kind": "numeric"}
        types = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
        return {"kind": "numeric"} if any(fits(column.type) for fits in types) else None

    def baseline_columns(self, spec: NumericInput, column: pa.ChunkedArray) -> pd.DataFrame:
        return number_column(spec, column)

    def baseline_encoder(self, spec: NumericInput, wide: bool) -> tuple[Any, Any]:
        return number_encoder(spec, wide)
