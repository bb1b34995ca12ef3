"""A text encoder: word embeddings, one convolution, masked pooling (after Kim 2014, EMNLP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.config import STRICT
from models.lazy import Tensor, keras


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """Word embeddings and a convolution over neighbouring words, pooled over the words of the text.

    embedding: width of a word's vector. filters: width of the convolution. window: its words.
    """

    __pydantic_config__ = STRICT
    embedding: Annotated[int, Field(ge=1)] = 64
    filters: Annotated[int, Field(ge=1)] = 128
    window: Annotated[int, Field(ge=1)] = 3

    def encode(self, words: Tensor, vocabulary: int, name: str) -> Tensor:
        """From int32 [batch, length], ids below `vocabulary`, to [batch, embedding + filters].

        Padding (id 0) reaches neither the mean of embeddings nor the maximum of the convolution.
        """
        layers = keras.layers
        present = keras.ops.expand_dims(keras.ops.not_equal(words, 0), -1)
        embed = layers.Embedding(vocabulary, self.embedding, name=f"{name}.words.embedding")
        embedded = embed(words)
        present = keras.ops.cast(present, embedded.dtype)
        embedded = embedded * present
        count = keras.ops.maximum(keras.ops.sum(present, axis=1), 1)
        mean = keras.ops.sum(embedded, axis=1) / count
        options = {"padding": "same", "activation": "relu", "name": f"{name}.convolution.conv"}
        seen = layers.Conv1D(self.filters, self.window, **options)(embedded)
        strongest = keras.ops.max(seen * present, axis=1)
        return layers.Concatenate(name=f"{name}.convolution.join")([mean, strongest])
