"""What a frozen trunk computes of all features of a row, kept instead of them."""

from __future__ import annotations

from dataclasses import dataclass

from models.inputs.base import Computed

REPRESENTATION = "_representation"
BLOCKS = "_blocks"


@dataclass(frozen=True, kw_only=True)
class Representation(Computed):
    """The trunk's output, which heads read."""

    name: str = REPRESENTATION


@dataclass(frozen=True, kw_only=True)
class Blocks(Computed):
    """Of images, for linear experts: see `models.trunks.blocks`."""

    name: str = BLOCKS
