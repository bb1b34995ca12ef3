"""Numbers in the stages."""

from __future__ import annotations

import re

from components.data.casting import is_number
from components.data.lazy import pa
from components.inputs.base import InputKind, SpecPart
from components.inputs.strings import identifies_rows
from models.inputs.numeric import NumericInput

_KEY = re.compile(r"(^|[^a-z])(id|key|uuid)$")


class NumericKind(InputKind[NumericInput]):
    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        if pa.types.is_integer(column.type) and _KEY.search(name.lower()):
            return identifies_rows(column) or {"kind": "numeric"}
        return {"kind": "numeric"} if is_number(column.type) else None
