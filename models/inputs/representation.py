"""What a frozen trunk computes of all features of a row, kept instead of them."""

from __future__ import annotations

from dataclasses import dataclass

from models.inputs.base import Computed

REPRESENTATION = "_representation"


@dataclass(frozen=True, kw_only=True)
class Representation(Computed):
    name: str = REPRESENTATION
