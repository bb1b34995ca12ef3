"""A trunk trained from scratch: one encoder per kind of input, joined by concatenation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from models.config import STRICT
from models.discovery import part
from models.inputs.base import Feature
from models.lazy import keras
from models.trunks.base import Trunk, TrunkError, keras_input
from models.trunks.encoders.base import FeatureEncoder
from models.trunks.encoders.column_mlp import Column, ColumnMlp
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.encoders.text_encoder import TextEncoder


@dataclass(frozen=True, kw_only=True)
class Scratch(Trunk):
    """Randomly initialised encoders, joined by a dense layer.

    width: of the representation. dropout: rate on the representation and after the dense layers of
        columns.
    image, text: the encoders of images and texts. columns: the encoder of all other inputs. Its
        members have their own factors and biases in the joining layer too, also for images and
        texts, which they share.
    """

    __pydantic_config__ = STRICT
    name: Literal["scratch"] = "scratch"
    width: Annotated[int, Field(ge=1)] = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    image: ResidualConvnet = field(default_factory=ResidualConvnet)
    text: TextEncoder = field(default_factory=TextEncoder)
    columns: ColumnMlp = field(default_factory=ColumnMlp)

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        from models.trunks.layers.members import SplitMembers, member_dense

        layers, members = keras.layers, 1
        inputs = {f.name: keras_input(f) for f in features}
        parts = [_encoder_of(f).encode(f, inputs[f.name], self) for f in features]
        encoded = [x for x in parts if not isinstance(x, Column)]
        if columns := [x for x in parts if isinstance(x, Column)]:
            members = self.columns.members
            if members > 1:
                encoded = [
                    SplitMembers(members, name=f"join.members{i}")(x) for i, x in enumerate(encoded)
                ]
            encoded.append(self.columns.encode(columns, self.dropout))
        x = encoded[0] if len(encoded) == 1 else layers.Concatenate(name="join.concat")(encoded)
        x = member_dense(x, self.width, members, "join")
        x = layers.Dropout(self.dropout, name="join.dropout")(x)
        return keras.Model(inputs, x, name="trunk")


def _encoder_of(feature: Feature) -> FeatureEncoder[Any]:
    try:
        return part("models.trunks.encoders", FeatureEncoder, feature.kind)()
    except LookupError as e:
        raise TrunkError(
            f"input {feature.name!r}: a trunk trained from scratch has no encoder for"
            f" {feature.kind} features. Texts are words of its own vocabulary there."
        ) from e
