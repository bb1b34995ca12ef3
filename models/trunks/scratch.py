"""A trunk trained from scratch: an encoder for each kind of input, concatenated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.inputs.features import (
    RESERVED,
    CategoricalFeature,
    Feature,
    ImageFeature,
    LayerFeature,
    NumericFeature,
    RawTextFeature,
    TextFeature,
    TokensFeature,
)
from models.lazy import keras
from models.trunks.base import Trunk, TrunkError
from models.trunks.encoders.column_mlp import ColumnMlp
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.encoders.text_encoder import TextEncoder


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
        inputs = {f.name: _input(f) for f in features}
        encoded = [
            self.image.encode(inputs[f.name], f.name)
            if isinstance(f, ImageFeature)
            else self.text.encode(inputs[f.name], len(f.vocabulary) + RESERVED, f.name)
            for f in features
            if isinstance(f, ImageFeature | TextFeature)
        ]
        columns = [f for f in features if isinstance(f, NumericFeature | CategoricalFeature)]
        numeric = [inputs[f.name] for f in columns if not f.ids]
        categorical = [(inputs[f.name], f.ids) for f in columns if f.ids]
        vectors = [inputs[f.name] for f in features if isinstance(f, LayerFeature)]
        if numeric or categorical or vectors:
            encoded.append(self.columns.encode(numeric, categorical, vectors))
        layers = keras.layers
        x = encoded[0] if len(encoded) == 1 else layers.Concatenate(name="join.concat")(encoded)
        x = layers.Dense(self.width, activation="relu", name="join.dense")(x)
        x = layers.Dropout(self.dropout, name="join.dropout")(x)
        return keras.Model(inputs, x, name="trunk")


def _input(feature: Feature) -> keras.KerasTensor:
    """The symbolic input of a preprocessed feature."""
    match feature:
        case ImageFeature():
            shape = (feature.height, feature.width, feature.channels)
            return keras.Input(shape, dtype="uint8", name=feature.name)
        case TextFeature():
            return keras.Input((feature.length,), dtype="int32", name=feature.name)
        case NumericFeature() | CategoricalFeature():
            return keras.Input((), dtype="int32" if feature.ids else "float32", name=feature.name)
        case LayerFeature():
            return keras.Input((feature.width,), dtype="float32", name=feature.name)
        case RawTextFeature() | TokensFeature():
            raise TrunkError(
                f"input {feature.name!r}: a trunk trained from scratch reads words of its own"
                f" vocabulary. Received: {feature.kind}"
            )
