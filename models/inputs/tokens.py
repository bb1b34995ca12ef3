"""Tokens of a pretrained tokenizer, which a text input becomes for pretrained trunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from models.inputs.base import Feature, RawType, StateFile
from models.inputs.text import Cleaning


@dataclass(frozen=True, kw_only=True)
class TokensFeature(Feature):
    """Raw: text [batch] string. Preprocessed: int32 [batch, length] of a pretrained tokenizer, or
    [batch, windows, length] if there are several windows.

    A text that is longer than one window is spread evenly over as few windows as hold it. Each has
    the special tokens; those that are not needed are all padding.

    It holds the whole tokenizer, so that neither serving nor rebuilding needs the preset.
    tokenizer: its class in `keras_hub.tokenizers`. config: its Keras config, as JSON.
    start, end: ids put around every text; None for none. pad: the id after the end.
    vocabulary_size: ids are below it.
    """

    kind: Literal["tokens"] = "tokens"
    raw: ClassVar[RawType] = "text"
    dtype: ClassVar[str] = "int32"
    length: int
    windows: int = 1
    tokenizer: str
    config: str
    files: tuple[StateFile, ...]
    start: int | None
    end: int | None
    pad: int
    vocabulary_size: int
    clean: tuple[Cleaning, ...] = ()

    @property
    def preparation(self) -> str:
        first = f" after {' and '.join(self.clean)} became spaces" if self.clean else ""
        spread = f", spread evenly over at most {self.windows} windows" if self.windows > 1 else ""
        return (
            f"the tokens of the text{first}, by `keras_hub.tokenizers.{self.tokenizer}` with the"
            f" files beside this one{spread}; before them {self.start}, after them {self.end}"
            f" (None: nothing); cut or padded with {self.pad} to {self.length}"
        )

    @property
    def files_to_prepare(self) -> tuple[StateFile, ...]:
        return self.files

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,) if self.windows == 1 else (self.windows, self.length)

    @property
    def sequences(self) -> int:
        return self.windows

    @property
    def read_limit(self) -> str:
        tokens = f"{self.length} tokens"
        return tokens if self.windows == 1 else f"{self.windows} windows of {tokens}"

    @property
    def read_limit_key(self) -> str:
        return "the trunk's `windows`"

    @property
    def padding(self) -> int | None:
        return self.pad
