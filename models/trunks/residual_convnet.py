"""A compact pre-activation residual convnet for small images (He et al. 2016, arXiv:1603.05027)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.inputs import STRICT
from models.lazy import keras


@dataclass(frozen=True, kw_only=True)
class ResidualConvnet:
    """Stages of residual blocks; each stage after the first halves height and width.

    widths: channels of each stage. blocks: residual blocks in each stage.
    """

    __pydantic_config__ = STRICT
    widths: tuple[Annotated[int, Field(ge=1)], ...] = (32, 64, 128)
    blocks: Annotated[int, Field(ge=1)] = 1

    def encode(self, image: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """From uint8 [batch, height, width, channels] to [batch, widths[-1]]."""
        raise NotImplementedError
