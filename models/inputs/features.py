"""Features: an input together with the state its preprocessing needs, taken from statistics.

The Keras layers that apply them are in `models.inputs.preprocessing`: the same in training and in
the served graph. Raw values arrive as [batch] strings or floats; a missing string is "", a missing
number is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.inputs.spec import Cleaning, DatePart, Input

RESERVED = 2
"""Ids before the first value: missing or padding, and unknown."""
PARTS: dict[DatePart, int] = {"month": 12, "day": 31, "weekday": 7, "hour": 24}
"""How many values a part of a date has; weekdays begin on Monday."""
REPRESENTATION = "_representation"
"""The name of what a trunk makes of all features, where it is kept: no input can have it."""


@dataclass(frozen=True, kw_only=True)
class Representation:
    """Float32 [batch, width]: what a frozen trunk makes of all features; it has no raw form."""

    name: str = REPRESENTATION
    width: int


@dataclass(frozen=True, kw_only=True)
class ImageFeature:
    """Raw: encoded bytes [batch] string. Preprocessed: uint8 [batch, height, width, channels]."""

    __pydantic_config__ = STRICT
    kind: Literal["image"] = "image"
    name: str
    column: str
    height: int
    width: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class TextFeature:
    """Raw: text [batch] string. Preprocessed: int32 [batch, length]; 0 pads, 1 is unknown, and
    2 + i is `vocabulary[i]`.
    """

    __pydantic_config__ = STRICT
    kind: Literal["text"] = "text"
    name: str
    column: str
    length: int
    vocabulary: tuple[str, ...]
    clean: tuple[Cleaning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RawTextFeature:
    """Raw and preprocessed: text [batch] string. For trunks that hold their own tokenizer."""

    __pydantic_config__ = STRICT
    kind: Literal["raw_text"] = "raw_text"
    name: str
    column: str
    clean: tuple[Cleaning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StateFile:
    """A file of a tokenizer's or a layer's state, such as its vocabulary. content: base64."""

    __pydantic_config__ = STRICT
    name: str
    content: str


@dataclass(frozen=True, kw_only=True)
class TokensFeature:
    """Raw: text [batch] string. Preprocessed: int32 [batch, length] of a pretrained tokenizer.

    It holds the whole tokenizer, so that neither serving nor rebuilding needs the preset.
    tokenizer: its class in `keras_hub.tokenizers`. config: its Keras config, as JSON.
    start, end: ids put around every text; None for none. pad: the id after the end.
    vocabulary_size: ids are below it.
    """

    __pydantic_config__ = STRICT
    kind: Literal["tokens"] = "tokens"
    name: str
    column: str
    length: int
    tokenizer: str
    config: str
    files: tuple[StateFile, ...]
    start: int | None
    end: int | None
    pad: int
    vocabulary_size: int
    clean: tuple[Cleaning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NumericFeature:
    """Raw: float32 [batch]. Preprocessed: float32 [batch]: (x - mean) / deviation; missing is 0.

    With `boundaries` it is categorical. Preprocessed: int32 [batch]; 0 is missing, and 2 + i is bin
    i: boundaries[i - 1] <= x < boundaries[i].
    """

    __pydantic_config__ = STRICT
    kind: Literal["numeric"] = "numeric"
    name: str
    column: str
    mean: float
    deviation: float
    log: bool = False
    boundaries: tuple[float, ...] = ()

    @property
    def ids(self) -> int:
        """Ids are below it; 0 if there are none."""
        return RESERVED + len(self.boundaries) + 1 if self.boundaries else 0


@dataclass(frozen=True, kw_only=True)
class CategoricalFeature:
    """Raw: string [batch]. Preprocessed: int32 [batch]; 0 is missing (""), 1 is unknown, and
    2 + i is `vocabulary[i]`; or bucket i of a hash, or value i of a part of a date, from 0.
    """

    __pydantic_config__ = STRICT
    kind: Literal["categorical"] = "categorical"
    name: str
    column: str
    vocabulary: tuple[str, ...] = ()
    buckets: int | None = None
    part: DatePart | None = None

    @property
    def ids(self) -> int:
        """Ids are below it."""
        if self.part is not None:
            return RESERVED + PARTS[self.part]
        return RESERVED + (self.buckets or len(self.vocabulary))


@dataclass(frozen=True, kw_only=True)
class LayerFeature:
    """Raw: float32 or string [batch]. Preprocessed: float32 [batch, width]: what a layer of the
    user's own makes of it.

    It holds the layer whole, so that neither serving nor rebuilding needs the user's file.
    source: the text of its module. layer: its class there. files: of a Keras archive of it.
    """

    __pydantic_config__ = STRICT
    kind: Literal["layer"] = "layer"
    name: str
    column: str
    reads: Literal["number", "text"]
    width: int
    source: str
    layer: str
    files: tuple[StateFile, ...]


Feature = Annotated[
    ImageFeature
    | TextFeature
    | RawTextFeature
    | TokensFeature
    | NumericFeature
    | CategoricalFeature
    | LayerFeature,
    Field(discriminator="kind"),
]


def reads_numbers(given: Feature | Input) -> bool:
    """Whether its raw values are float32, and not strings."""
    return given.kind == "numeric" or (given.kind == "layer" and given.reads == "number")


Stored = Feature | Representation
"""What files of batches hold."""
