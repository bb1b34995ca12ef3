"""A compact residual convnet for images of up to about 224 px, in the form of ResNet-9 (D. Page
2018, "How to train your ResNet", for DAWNBench), with one convolution in a residual branch instead
of two. Max pooling, not strides, halves height and width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.config import STRICT
from models.lazy import Tensor, keras

LARGE = 64
"""Side from which the stem takes every other pixel."""
WORKING_SIDE = 28
"""Side to which the stem pools; most of the computation happens at this size and below."""
SMALL = 16
"""Side up to which the stem keeps every pixel."""
SMALLEST_SIDE = 4
"""Side up to which stages no longer halve."""


@dataclass(frozen=True, kw_only=True)
class ResidualConvnet:
    """A stem and stages of residual blocks; each stage halves height and width.

    widths: channels of the stem and of each stage. blocks: residual blocks in each stage.
    """

    __pydantic_config__ = STRICT
    widths: tuple[Annotated[int, Field(ge=1)], ...] = (32, 64, 128)
    blocks: Annotated[int, Field(ge=1)] = 1

    def encode(self, image: Tensor, name: str) -> Tensor:
        """From uint8 [batch, height, width, channels] to [batch, widths[-1]]."""
        layers, group = keras.layers, f"{name}.stem"
        x = layers.Rescaling(1 / 127.5, -1.0, name=f"{group}.rescale")(image)
        stride = 2 if _side(x) >= LARGE else 1
        x = _convolution(x, self.widths[0], f"{group}.conv", stride)
        if _side(x) > SMALL:
            x = _halved(x, group)
        while _side(x) > WORKING_SIDE:
            x = _halved(x, group)
        x = _normalised(x, group)
        for stage, width in enumerate(self.widths[1:], 1):
            group = f"{name}.stage{stage}"
            x = _convolution(x, width, f"{group}.conv")
            if _side(x) > SMALLEST_SIDE:
                x = _halved(x, group)
            x = _normalised(x, group)
            for block in range(self.blocks):
                branch = _convolution(x, width, f"{group}.conv{block}")
                branch = _normalised(branch, group, f"{block}")
                x = layers.Add(name=f"{group}.add{block}")([x, branch])
        return layers.GlobalAveragePooling2D(name=f"{group}.mean")(x)


def _side(x: Tensor) -> int:
    return int(min(x.shape[1:3]))


def _convolution(x: Tensor, width: int, name: str, stride: int = 1) -> Tensor:
    options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    return keras.layers.Conv2D(width, 3, stride, **options, name=name)(x)


def _halved(x: Tensor, group: str) -> Tensor:
    return keras.layers.MaxPooling2D(2, name=f"{group}.pool{_side(x)}")(x)


def _normalised(x: Tensor, group: str, number: str = "") -> Tensor:
    """Batch normalisation that follows the data within a short training run, and ReLU."""
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{group}.scale{number}")(x)
    return keras.layers.ReLU(name=f"{group}.relu{number}")(x)
