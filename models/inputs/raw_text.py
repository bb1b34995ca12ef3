"""Text as it is, which a text input becomes for trunks that hold a tokenizer of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from models.inputs.base import Feature, RawType
from models.inputs.text import Cleaning


@dataclass(frozen=True, kw_only=True)
class RawTextFeature(Feature):
    """Raw and preprocessed: text [batch] string."""

    kind: Literal["raw_text"] = "raw_text"
    raw: ClassVar[RawType] = "text"
    dtype: ClassVar[str] = "string"
    clean: tuple[Cleaning, ...] = ()

    @property
    def preparation(self) -> str:
        return f"the text{f' after {chr(32).join(self.clean)} became spaces' if self.clean else ''}"
