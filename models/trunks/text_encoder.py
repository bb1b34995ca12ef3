"""A text encoder: word embeddings, one convolution, masked pooling (after Kim 2014, EMNLP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.inputs import STRICT
from models.lazy import keras


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """Word embeddings and a convolution over neighbouring words, pooled over the words present.

    embedding: width of a word. filters: width of the convolution. window: words that it sees.
    """

    __pydantic_config__ = STRICT
    embedding: Annotated[int, Field(ge=1)] = 64
    filters: Annotated[int, Field(ge=1)] = 128
    window: Annotated[int, Field(ge=1)] = 3

    def encode(self, words: keras.KerasTensor, vocabulary: int, name: str) -> keras.KerasTensor:
        """From int32 [batch, length], ids below `vocabulary`, to [batch, embedding + filters]."""
        raise NotImplementedError
