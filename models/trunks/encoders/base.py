"""How the `scratch` trunk encodes a kind of feature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from models.inputs.base import Feature
from models.lazy import Tensor
from models.trunks.encoders.column_mlp import Column
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.encoders.text_encoder import TextEncoder

F = TypeVar("F", bound=Feature)


class Encoders(Protocol):
    """What a spec can set of the encoders of single features."""

    @property
    def image(self) -> ResidualConvnet: ...

    @property
    def text(self) -> TextEncoder: ...


class FeatureEncoder(ABC, Generic[F]):
    """The subclass of a kind lies in the module of that name in `models.trunks.encoders`."""

    @abstractmethod
    def encode(self, feature: F, x: Tensor, encoders: Encoders) -> Tensor | Column:
        """[batch, width] of a preprocessed feature; or a column, encoded with all other columns."""
