"""The margins of all experts of a model, kept as a column beside the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.inputs.base import Stored

MARGINS = "_margins"
"""Name of the column. No input can have this name."""


@dataclass(frozen=True, kw_only=True)
class Margins(Stored):
    """Float32 [batch, width]: the margins of one expert after another. It has no raw form."""

    name: str = MARGINS
    dtype: ClassVar[str] = "float32"
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.width,)
