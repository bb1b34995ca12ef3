"""A compact pre-activation residual convnet for small images (He et al. 2016, arXiv:1603.05027)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.config import STRICT
from models.lazy import Tensor, keras

LARGE = 64
"""Side from which the stem takes every other pixel."""
WORKING_SIDE = 16
"""Side to which the stem pools; most of the computation happens at this size and below."""
SMALLEST_SIDE = 4
"""Side below which stages no longer halve."""


@dataclass(frozen=True, kw_only=True)
class ResidualConvnet:
    """Stages of residual blocks; each stage after the first halves height and width.

    widths: channels of each stage. blocks: residual blocks in each stage.
    """

    __pydantic_config__ = STRICT
    widths: tuple[Annotated[int, Field(ge=1)], ...] = (32, 64, 128)
    blocks: Annotated[int, Field(ge=1)] = 1

    def encode(self, image: Tensor, name: str) -> Tensor:
        """From uint8 [batch, height, width, channels] to [batch, widths[-1]]."""
        layers = keras.layers
        side = min(image.shape[1:3])
        x = layers.Rescaling(1 / 127.5, -1.0, name=f"{name}.stem.rescale")(image)
        stride = 2 if side >= LARGE else 1
        x = _convolution(x, self.widths[0], f"{name}.stem.conv", stride)
        while min(x.shape[1:3]) > WORKING_SIDE:
            x = layers.MaxPooling2D(2, name=f"{name}.stem.pool{x.shape[1]}")(x)
        for stage, width in enumerate(self.widths):
            for block in range(self.blocks):
                halve = stage > 0 and block == 0 and min(x.shape[1:3]) > SMALLEST_SIDE
                x = _block(x, width, 2 if halve else 1, f"{name}.stage{stage}.block{block}")
        x = _normalised(x, f"{name}.stage{len(self.widths) - 1}.last")
        return layers.GlobalAveragePooling2D(name=f"{name}.stage{len(self.widths) - 1}.mean")(x)


def _block(x: Tensor, width: int, stride: int, name: str) -> Tensor:
    """Two 3x3 convolutions beside a shortcut, each after normalisation and ReLU.

    The shortcut takes every other pixel before its 1x1 convolution, not by a stride of it, which is
    the same sum: the gradient of a strided 1x1 convolution with fewer than 16 input channels writes
    past its workspace in the oneDNN (3.7) of TensorFlow 2.21 (uxlfoundation/oneDNN issue 6035).
    """
    active = _normalised(x, f"{name}_norm0")
    if stride > 1 or x.shape[-1] != width:
        x = active
        if stride > 1:
            x = keras.layers.AveragePooling2D(1, stride, name=f"{name}_shortcut_pixels")(x)
        x = _convolution(x, width, f"{name}_shortcut", size=1)
    active = _convolution(active, width, f"{name}_conv0", stride)
    active = _convolution(_normalised(active, f"{name}_norm1"), width, f"{name}_conv1")
    return keras.layers.Add(name=f"{name}_add")([x, active])


def _convolution(x: Tensor, width: int, name: str, stride: int = 1, size: int = 3) -> Tensor:
    options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    return keras.layers.Conv2D(width, size, stride, **options, name=name)(x)


def _normalised(x: Tensor, name: str) -> Tensor:
    """Batch normalisation that follows the data within a short training run, and ReLU."""
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_scale")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)
