"""Numbers in the stages."""

from __future__ import annotations

from components.data.casting import is_number
from components.data.lazy import pa
from components.inputs.base import InputKind, SpecPart
from components.inputs.identifiers import identifies
from components.inputs.strings import identifies_rows
from models.inputs.numeric import NumericInput


class NumericKind(InputKind[NumericInput]):
    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        if (what := identifies(name, column)) == "things":
            return None
        if what == "rows":
            return identifies_rows(column)
        return {"kind": "numeric"} if is_number(column.type) else None
