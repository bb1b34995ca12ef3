"""Texts in the stages."""

from __future__ import annotations

from components.data.lazy import pa
from components.inputs.base import InputKind, SpecPart, holds
from components.inputs.strings import looks_like
from components.statistics.column_statistics import ColumnStatistics, TextColumn
from models.inputs.text import TextInput


class TextKind(InputKind[TextInput]):
    described_as = "text"

    def unfit(self, spec: TextInput, column: ColumnStatistics) -> str:
        return "" if isinstance(column, TextColumn) else f"{holds(spec, column)}. Expected text."

    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        return {"kind": "text"} if looks_like(column) == "sentences" else None
