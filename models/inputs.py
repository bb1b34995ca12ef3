"""What a model reads: the inputs of a spec, one class per kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

Cleaning = Literal["html", "urls", "emails", "numbers"]
DatePart = Literal["month", "day", "weekday", "hour"]
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """Encoded images (JPEG, PNG, GIF, BMP), resized to one shape.

    name: of the model input. column: where the bytes are; the input's name when empty.
    """

    __pydantic_config__ = STRICT
    kind: Literal["image"] = "image"
    name: str = ""
    column: str = ""
    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    channels: Literal[1, 3] = 3


@dataclass(frozen=True, kw_only=True)
class TextInput:
    """Text, lower-cased and split into words inside the graph.

    vocabulary_size: most frequent training words to keep. length: words per example, cut or padded.
    clean: what becomes a space first: HTML tags, web addresses, e-mail addresses, numbers.
    """

    __pydantic_config__ = STRICT
    kind: Literal["text"] = "text"
    name: str = ""
    column: str = ""
    vocabulary_size: Annotated[int, Field(ge=2)] = 20_000
    length: Annotated[int, Field(ge=1)] = 128
    clean: tuple[Cleaning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NumericInput:
    """A number, standardised by the training split's mean and deviation; missing is the mean."""

    __pydantic_config__ = STRICT
    kind: Literal["numeric"] = "numeric"
    name: str = ""
    column: str = ""
    log: bool = False
    """Take sign(x)·log(1 + |x|) first: for long tails."""


@dataclass(frozen=True, kw_only=True)
class CategoricalInput:
    """One of a set of values seen in training; id 0 means missing, id 1 any other value.

    buckets: hash values into so many ids instead, for sets without end.
    part: of a date or time (ISO 8601 text) that is the value; id 1 means no date.
    """

    __pydantic_config__ = STRICT
    kind: Literal["categorical"] = "categorical"
    name: str = ""
    column: str = ""
    max_values: Annotated[int, Field(ge=1)] = 10_000
    buckets: Annotated[int, Field(ge=2)] | None = None
    part: DatePart | None = None

    def __post_init__(self) -> None:
        if self.buckets is not None and self.part is not None:
            raise ValueError("expected `buckets` or `part`, received both")


Input = Annotated[
    ImageInput | TextInput | NumericInput | CategoricalInput, Field(discriminator="kind")
]
