"""Text as words of the training split's own vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.inputs.base import Feature, Input, RawType

Cleaning = Literal["html", "urls", "emails", "numbers"]


@dataclass(frozen=True, kw_only=True)
class TextInput(Input):
    """Text, lower-cased and split into words inside the graph.

    vocabulary_size: most frequent training words to keep.
    length: words per text; longer texts are cut, shorter ones padded. By default as many as leave
        99 % of training texts whole, at most 512.
    clean: what is replaced by a space first: HTML tags, web addresses, e-mail addresses, numbers.
    """

    kind: Literal["text"] = "text"
    raw: ClassVar[RawType] = "text"
    feature_kinds: ClassVar[tuple[str, ...]] = ("text", "raw_text", "tokens")
    """Which one it becomes depends on the trunk: see `models.inputs.encodings`."""
    vocabulary_size: Annotated[int, Field(ge=2)] = 20_000
    length: Annotated[int, Field(ge=1)] | None = None
    clean: tuple[Cleaning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TextFeature(Feature):
    """Raw: text [batch] string. Preprocessed: int32 [batch, length]; 0 pads, 1 is unknown, and
    2 + i is `vocabulary[i]`.
    """

    kind: Literal["text"] = "text"
    raw: ClassVar[RawType] = "text"
    dtype: ClassVar[str] = "int32"
    length: int
    vocabulary: tuple[str, ...]
    clean: tuple[Cleaning, ...] = ()

    @property
    def preparation(self) -> str:
        first = f" after {' and '.join(self.clean)} became spaces" if self.clean else ""
        return (
            f"the text in lower case{first}, without apostrophes (' and \u2019), split at white"
            " space and at all other ASCII punctuation; the id of each word in `words`, 1 for"
            f" another one; cut or padded with 0 to {self.length}"
        )

    @property
    def words(self) -> tuple[str, ...]:
        return self.vocabulary

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    @property
    def read_limit(self) -> str:
        return f"{self.length} words"

    @property
    def read_limit_key(self) -> str:
        return f"inputs.{self.name}.length"

    @property
    def known_values(self) -> int | None:
        return len(self.vocabulary)
