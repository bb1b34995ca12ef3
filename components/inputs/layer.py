"""Columns for the user's own layers in the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from components.inputs.base import (
    InputKind,
    SpecPart,
    not_numbers,
    number_column,
    number_encoder,
    text_column,
    word_encoder,
)
from components.statistics.column_statistics import ColumnStatistics
from models.inputs.layer import LayerInput

if TYPE_CHECKING:
    import pandas as pd


class LayerKind(InputKind[LayerInput]):
    """Numbers or strings, whichever the layer reads."""

    def unfit(self, spec: LayerInput, column: ColumnStatistics) -> str:
        return not_numbers(spec, column) if spec.reads == "number" else ""

    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        return None

    def is_wide(self, spec: LayerInput) -> bool:
        return spec.reads == "text"

    def baseline_columns(self, spec: LayerInput, column: pa.ChunkedArray) -> pd.DataFrame:
        """The raw values: scikit-learn models do without the layer."""
        convert = number_column if spec.reads == "number" else text_column
        return convert(spec, column)

    def baseline_encoder(self, spec: LayerInput, wide: bool) -> tuple[Any, Any]:
        if spec.reads == "number":
            return number_encoder(spec, wide)
        return word_encoder(spec, r"(?u)\b\w+\b")
