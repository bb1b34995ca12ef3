"""What a model reads: the inputs of a spec, one class per kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from models.config import STRICT

Cleaning = Literal["html", "urls", "emails", "numbers"]
DatePart = Literal["month", "day", "weekday", "hour"]


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError("expected ascending boundaries")
    return values


Boundaries = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], ...],
    Field(min_length=1),
    AfterValidator(_ascending),
]


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
    """A number, standardised by the training split's mean and deviation; missing is the mean.

    log: take sign(x)·log(1 + |x|) first, for long tails.
    bins: make a category of it instead: the number of bins, of about as many training rows each,
        or the ascending boundaries between them (a boundary belongs to the bin above it). Missing
        is a category of its own.
    """

    __pydantic_config__ = STRICT
    kind: Literal["numeric"] = "numeric"
    name: str = ""
    column: str = ""
    log: bool = False
    bins: Annotated[int, Field(ge=2, le=100)] | Boundaries | None = None

    def __post_init__(self) -> None:
        if self.log and self.bins is not None:
            raise ValueError("expected `log` or `bins`, received both: bins do not depend on it")


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


@dataclass(frozen=True, kw_only=True)
class LayerInput:
    """Numbers that a Keras layer of the user's own makes of a column.

    module: a Python file. layer: a class in it, a `keras.layers.Layer` from [batch, 1] to
        [batch, width] numbers. If it has `adapt`, as Keras's preprocessing layers have, that is
        given the values of the training split, without the missing ones. options: arguments to make
        it with.
    reads: what it takes: float32, NaN where missing, or strings, "" where missing.
    """

    __pydantic_config__ = STRICT
    kind: Literal["layer"] = "layer"
    name: str = ""
    column: str = ""
    module: str = field(metadata={"file": True, "path": True, "fingerprint": False})
    layer: str
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    reads: Literal["number", "text"] = "number"


StatedInput = ImageInput | TextInput | NumericInput | CategoricalInput
"""An input whose state follows from statistics."""

Input = Annotated[StatedInput | LayerInput, Field(discriminator="kind")]
