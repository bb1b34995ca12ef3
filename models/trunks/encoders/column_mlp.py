"""A perceptron over numeric columns and embeddings of categorical ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.config import STRICT
from models.lazy import keras


@dataclass(frozen=True, kw_only=True)
class ColumnMlp:
    """Embeds each categorical column, concatenates all columns, and applies dense layers.

    embedding: largest width of an embedding; a column of few values gets a narrower one.
    layers: widths of the dense layers.
    """

    __pydantic_config__ = STRICT
    embedding: Annotated[int, Field(ge=1)] = 16
    layers: tuple[Annotated[int, Field(ge=1)], ...] = (128,)

    def encode(
        self,
        numeric: Sequence[keras.KerasTensor],
        categorical: Sequence[tuple[keras.KerasTensor, int]],
        vectors: Sequence[keras.KerasTensor] = (),
    ) -> keras.KerasTensor:
        """From [batch] columns, categorical ones with their number of ids, and [batch, any] vectors
        to [batch, width].
        """
        layers = keras.layers
        columns = [
            layers.Embedding(
                ids, min(self.embedding, (ids + 1) // 2), name=f"columns.embeddings.{column.name}"
            )(column)
            for column, ids in categorical
        ]
        if numeric:
            columns.append(keras.ops.stack(numeric, axis=-1))
        columns += vectors
        x = columns[0] if len(columns) == 1 else layers.Concatenate(name="columns.join")(columns)
        for i, width in enumerate(self.layers):
            x = layers.Dense(width, activation="relu", name=f"columns.dense{i}.dense")(x)
        return x
