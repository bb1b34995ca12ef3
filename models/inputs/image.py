"""Encoded images, resized to one shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.inputs.base import Feature, Input, RawType

MAX_PIXELS = 2**26
"""Largest image that is decoded: 8192 x 8192 pixels take 200 MB. Small files can hold far more."""
MAX_BLOCKS = 64
"""Segments, chunks or blocks before the pixels that are looked through, for the EXIF orientation or
the first frame of a GIF.
"""
ORIENTATION = 0x0112
"""EXIF's tag."""
EMPTY = "is empty. Expected a JPEG, PNG, GIF or BMP image"
NOT_AN_IMAGE = "is not a JPEG, PNG, GIF or BMP image (WebP and others are not read)"
DAMAGED = "has a header that is cut or damaged"
PIXELS_EXPECTED = f"Expected at most {MAX_PIXELS} (such as 8192 x 8192): scale it down"
BMP_EXPECTED = "Expected 8, 24 or 32 bits, not compressed: save it as PNG"


@dataclass(frozen=True, kw_only=True)
class ImageInput(Input):
    """Encoded images (JPEG, PNG, first frame of a GIF, BMP), upright by their EXIF orientation,
    resized to one shape.

    channels: 3 for RGB, 1 for grey.
    flip_average: take the mean of what the trunk computes of an image and of its mirror image, in
        validation and when served, and in training too while the trunk is frozen. It takes
        twice as long. `training.augment.flip` belongs with it. If absent, only a linear expert on a
        frozen trunk does so, for images in colour; if false, that does not either.
    """

    kind: Literal["image"] = "image"
    raw: ClassVar[RawType] = "bytes"
    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    channels: Literal[1, 3] = 3
    flip_average: bool | None = None

    def check_trained(self, feature: Feature) -> str:
        if not isinstance(feature, ImageFeature) or bool(feature.flip_average) == bool(
            self.flip_average
        ):
            return ""
        return (
            f"inputs.{self.name} has `flip_average: {str(bool(self.flip_average)).lower()}`, and"
            f" the trained model `{str(bool(feature.flip_average)).lower()}`. Expected the same."
        )


@dataclass(frozen=True, kw_only=True)
class ImageFeature(Feature):
    """Raw: encoded bytes [batch] string. Preprocessed: uint8 [batch, height, width, channels].

    flip_average: see `ImageInput`.
    optional: whether training rows without an image were there. If so, "" is a black image;
        otherwise it is refused, as an empty file is.
    """

    kind: Literal["image"] = "image"
    raw: ClassVar[RawType] = "bytes"
    dtype: ClassVar[str] = "uint8"
    height: int
    width: int
    channels: int
    flip_average: bool | None = None
    optional: bool = False

    @property
    def experts_flip(self) -> bool:
        """Whether a linear expert reads the mean over the image and its mirror image."""
        return self.channels == 3 if self.flip_average is None else self.flip_average

    @property
    def preparation(self) -> str:
        colours = "red, green, blue" if self.channels == 3 else "grey"
        return (
            f"the decoded image, upright by its EXIF orientation, in {colours} (0 to 255); if it is"
            f" not {self.height} x {self.width}, resized with an antialiasing bilinear (triangle)"
            " filter and rounded"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.height, self.width, self.channels
