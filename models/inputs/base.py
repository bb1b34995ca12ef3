"""What a model reads: the inputs of a spec, and the features that Transform makes of them.

An input kind is a module of this package that defines a subclass of `Input`, such as `ImageInput`,
and one of `Feature`, such as `ImageFeature`. What a kind means elsewhere lies under its name in
`models.inputs.layers` (preprocessing in TensorFlow), `models.trunks.encoders` (layers of the
`scratch` trunk) and `components.inputs` (what the stages need to know).

A feature is an input together with the state of its preprocessing, such as a vocabulary. Raw values
arrive as [batch] strings or float32 numbers; a missing string is "", a missing number is NaN.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from inspect import isabstract
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema

from models.config import STRICT
from models.discovery import choice

if TYPE_CHECKING:
    import numpy as np

RawType = Literal["bytes", "text", "number"]
"""Type of a raw value. TensorFlow gets bytes and text as strings, and numbers as float32."""
Tabular = Literal["number", "category"]
RESERVED = 2
"""Ids before that of the first value: 0 is missing or padding, 1 is unknown."""


@dataclass(frozen=True, kw_only=True)
class Input(ABC):
    """An input of a spec. Subclasses have a literal `kind`, the name of their module.

    name: of the model input. column: that it reads; the input's name when empty.
    """

    __pydantic_config__ = STRICT
    kind: str
    name: str = ""
    column: str = ""

    @property
    @abstractmethod
    def raw(self) -> RawType:
        """Type of its raw values."""

    @property
    def feature_kinds(self) -> tuple[str, ...]:
        """Kinds of features that Transform can make of it."""
        return (self.kind,)

    def files(self) -> tuple[str, ...]:
        """The user's files whose content its feature depends on."""
        return ()

    def check(self) -> list[str]:
        """Problems with its files that can be found without running them, one sentence each."""
        return []

    def check_trained(self, feature: Feature) -> str:
        """Why it cannot use a trained model's feature of a fitting kind; empty if it can."""
        return ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic reads `Input` as the union of all kinds, and a kind as itself."""
        return handler(choice("models.inputs", Input, "kind") if isabstract(cls) else source)


class Stored(ABC):
    """A column of `Batches`: a preprocessed feature, or what a frozen trunk computes of all."""

    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one preprocessed row; none for a single value."""
        return ()

    @property
    @abstractmethod
    def dtype(self) -> str:
        """TensorFlow's name of its dtype."""

    @property
    def sequences(self) -> int:
        """How many sequences of a row a trunk may have to compute at once."""
        return 1

    @property
    def padding(self) -> int | None:
        """The id that pads sequences, which a trunk may trim; None if rows are not sequences."""
        return None


@dataclass(frozen=True, kw_only=True)
class Computed(Stored):
    """Float32 [batch, width]: what a part of the model computes of whole rows. It has no raw form,
    and a name that no input can have.
    """

    name: str
    dtype: ClassVar[str] = "float32"
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.width,)


@dataclass(frozen=True, kw_only=True)
class Feature(Stored):
    """An input with the state of its preprocessing. Subclasses have a literal `kind`.

    tabular: what a classical model of columns reads of it: the raw number, the id of the category,
        or nothing.
    """

    __pydantic_config__ = STRICT
    tabular: ClassVar[Tabular | None] = None
    kind: str
    name: str
    column: str

    @property
    @abstractmethod
    def raw(self) -> RawType:
        """Type of its raw values."""

    @property
    def raw_dtype(self) -> Literal["float32", "string"]:
        """TensorFlow's name of the dtype of its raw values [batch]."""
        return "float32" if self.raw == "number" else "string"

    @property
    def preparation(self) -> str:
        """What has to become of a raw value before the core of a model takes it, for a caller
        without TensorFlow. The core takes raw numbers as they are.
        """
        return "the number as it is in the data; NaN if it is missing"

    @property
    def words(self) -> tuple[str, ...]:
        """What its ids stand for, from id `RESERVED` on; empty if they are no entries of a list."""
        return ()

    @property
    def files_to_prepare(self) -> tuple[StateFile, ...]:
        """The files that preparation needs, such as those of a tokenizer."""
        return ()

    @property
    def known_values(self) -> int | None:
        """Size of its vocabulary from the training split; None if it has none."""
        return None

    @property
    def choices(self) -> tuple[str, ...]:
        """Its training values, if it is one of a set; the most frequent first."""
        return ()

    @property
    def span(self) -> tuple[float, float] | None:
        """The smallest and the largest training number, as raw values; None where unknown."""
        return None

    @property
    def usual(self) -> float | str | None:
        """A raw value that is typical of training rows; None where unknown."""
        return None

    @property
    def spelling(self) -> str:
        """An example of how its raw values are written; empty if any text will do."""
        return ""

    @property
    def read_limit(self) -> str:
        """How much of a value is read, such as "512 words"; empty if all of it is."""
        return ""

    @property
    def read_limit_key(self) -> str:
        """The key of the spec that sets `read_limit`."""
        return ""

    @property
    def compresses(self) -> bool:
        """Whether its outliers are compressed, which the user should know."""
        return False

    def invalid_row(self, values: np.ndarray) -> tuple[int, str] | None:
        """The first of the preprocessed rows that no model can learn from, and why."""
        return None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic reads `Feature` as the union of all kinds, and a kind as itself."""
        return handler(choice("models.inputs", Feature, "kind") if isabstract(cls) else source)


@dataclass(frozen=True, kw_only=True)
class StateFile:
    """A file of the state of a tokenizer or a layer, such as its vocabulary. content: base64."""

    __pydantic_config__ = STRICT
    name: str
    content: str

    def __post_init__(self) -> None:
        if {"", ".", ".."} & set(self.name.split("/")) or "\\" in self.name:
            raise ValueError(f"expected a relative path without '..', received {self.name!r}")
