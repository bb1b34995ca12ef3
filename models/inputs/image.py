"""Encoded images, resized to one shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.inputs.base import Feature, Input, RawType


@dataclass(frozen=True, kw_only=True)
class ImageInput(Input):
    """Encoded images (JPEG, PNG, GIF, BMP), resized to one shape.

    channels: 3 for RGB, 1 for grey.
    """

    kind: Literal["image"] = "image"
    raw: ClassVar[RawType] = "bytes"
    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    channels: Literal[1, 3] = 3


@dataclass(frozen=True, kw_only=True)
class ImageFeature(Feature):
    """Raw: encoded bytes [batch] string. Preprocessed: uint8 [batch, height, width, channels]."""

    kind: Literal["image"] = "image"
    raw: ClassVar[RawType] = "bytes"
    dtype: ClassVar[str] = "uint8"
    height: int
    width: int
    channels: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.height, self.width, self.channels
