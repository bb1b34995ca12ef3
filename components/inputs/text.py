"""Texts in the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa

from components.inputs.base import InputKind, SpecPart, holds, text_column, word_encoder
from components.inputs.strings import is_string, looks_like
from components.statistics.column_statistics import ColumnStatistics, TextColumn
from models.inputs.text import TextInput

if TYPE_CHECKING:
    import pandas as pd


class TextKind(InputKind[TextInput]):
    """Texts of several words."""

    described_as: ClassVar[Literal["text"]] = "text"

    def unfit(self, spec: TextInput, column: ColumnStatistics) -> str:
        return "" if isinstance(column, TextColumn) else f"{holds(spec, column)}. Expected text."

    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        is_text = is_string(column) and looks_like(column) == "sentences"
        return {"kind": "text"} if is_text else None

    def is_wide(self, spec: TextInput) -> bool:
        return True

    def baseline_columns(self, spec: TextInput, column: pa.ChunkedArray) -> pd.DataFrame:
        return text_column(spec, column)

    def baseline_encoder(self, spec: TextInput, wide: bool) -> tuple[Any, Any]:
        return word_encoder(spec, r"(?u)\b\w\w+\b")
