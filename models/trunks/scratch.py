"""A trunk trained from scratch: an encoder for each kind of input, concatenated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from models.features import Feature
from models.inputs import STRICT
from models.lazy import keras
from models.trunks.base import Trunk
from models.trunks.column_mlp import ColumnMlp
from models.trunks.residual_convnet import ResidualConvnet
from models.trunks.text_encoder import TextEncoder


@dataclass(frozen=True, kw_only=True)
class Scratch(Trunk):
    """Randomly initialised encoders, joined by a dense layer.

    width: of the representation. dropout: rate on the representation.
    image, text, columns: the encoder for inputs of that kind.
    """

    __pydantic_config__ = STRICT
    name: Literal["scratch"] = "scratch"
    width: Annotated[int, Field(ge=1)] = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    image: ResidualConvnet = field(default_factory=ResidualConvnet)
    text: TextEncoder = field(default_factory=TextEncoder)
    columns: ColumnMlp = field(default_factory=ColumnMlp)

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        """See `Trunk.build`."""
        raise NotImplementedError
