"""What a frozen trunk computes of all features of a row, kept instead of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.inputs.base import Stored

REPRESENTATION = "_representation"
"""Name of its column. No input can have this name."""


@dataclass(frozen=True, kw_only=True)
class Representation(Stored):
    """Float32 [batch, width]. It has no raw form."""

    name: str = REPRESENTATION
    dtype: ClassVar[str] = "float32"
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.width,)
