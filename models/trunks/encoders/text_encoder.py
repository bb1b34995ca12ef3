"""A text encoder: pooled word embeddings (Shen et al. 2018, ACL) and word dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.config import STRICT
from models.lazy import Tensor, keras

INITIAL_RANGE = 0.01
"""Embeddings start between minus this and this. A word that training has rarely seen then hardly
affects the maximum over a text."""
ABSENT = 1e4
"""Subtracted from what is not there, so that no maximum takes it; float16 can hold it."""


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """Word embeddings, pooled over the text by mean and maximum (SWEM-concat of Shen et al. 2018).
    Training leaves out words at random (Iyyer et al. 2015, ACL, section 3.1).

    embedding: width of a word's vector. word_dropout: probability that training leaves a word out.
    filters: width of a convolution over neighbouring words (Kim 2014, EMNLP), whose maximum over
        the text is added; 0 for none. window: its words.
    """

    __pydantic_config__ = STRICT
    embedding: Annotated[int, Field(ge=1)] = 64
    word_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    filters: Annotated[int, Field(ge=0)] = 0
    window: Annotated[int, Field(ge=1)] = 3

    def encode(self, words: Tensor, vocabulary: int, name: str) -> Tensor:
        """From int32 [batch, length], ids below `vocabulary`, to [batch, 2 * embedding + filters].

        Padding (id 0) affects nothing. A text without words is all zeros.
        """
        layers, ops = keras.layers, keras.ops
        initial = keras.initializers.RandomUniform(-INITIAL_RANGE, INITIAL_RANGE)
        embed = layers.Embedding(
            vocabulary, self.embedding, initial, name=f"{name}.words.embedding"
        )
        embedded = embed(words)
        kept = ops.cast(ops.not_equal(words, 0), embedded.dtype)
        kept = layers.Dropout(self.word_dropout, name=f"{name}.words.dropout")(kept)
        present = ops.expand_dims(ops.greater(kept, 0), -1)
        weights = ops.cast(present, embedded.dtype)
        embedded = embedded * weights
        mean = ops.sum(embedded, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1)
        highest = ops.max(embedded + (weights - 1) * ABSENT, axis=1)
        highest = highest * ops.max(weights, axis=1)
        pooled = [mean, highest]
        if self.filters:
            options = {"padding": "same", "activation": "relu", "name": f"{name}.convolution.conv"}
            seen = layers.Conv1D(self.filters, self.window, **options)(embedded)
            pooled.append(ops.max(seen * weights, axis=1))
        return layers.Concatenate(name=f"{name}.words.pooled")(pooled)
