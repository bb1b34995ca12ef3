"""Text as it is, which a text input becomes for trunks that hold a tokenizer of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.inputs.base import Feature, RawType
from models.inputs.text import Cleaning


@dataclass(frozen=True, kw_only=True)
class RawTextFeature(Feature):
    """Raw and preprocessed: text [batch] string."""

    kind: Literal["raw_text"] = "raw_text"
    clean: tuple[Cleaning, ...] = ()

    @property
    def raw(self) -> RawType:
        return "text"

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def dtype(self) -> str:
        return "string"
