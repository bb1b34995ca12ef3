"""A perceptron over numeric columns and embeddings of categorical ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.config import STRICT
from models.layer_names import scope_of
from models.lazy import Tensor, keras


@dataclass(frozen=True)
class Column:
    """A preprocessed feature: float [batch] or [batch, width]; or int32 [batch] below `ids`."""

    values: Tensor
    ids: int = 0


@dataclass(frozen=True, kw_only=True)
class ColumnMlp:
    """Embeds each categorical column, concatenates all columns, and applies dense layers.

    embedding: largest width of an embedding; a column of few values gets a narrower one.
    layers: widths of the dense layers.
    """

    __pydantic_config__ = STRICT
    embedding: Annotated[int, Field(ge=1)] = 16
    layers: tuple[Annotated[int, Field(ge=1)], ...] = (128,)

    def encode(self, columns: Sequence[Column]) -> Tensor:
        """From columns to [batch, width]: embedded ones first, then numbers, then vectors."""
        layers = keras.layers
        parts = []
        for c in columns:
            if c.ids:
                width = min(self.embedding, (c.ids + 1) // 2)
                name = f"columns.embeddings.{scope_of(c.values.name)}"
                embed = layers.Embedding(c.ids, width, name=name)
                parts.append(embed(c.values))
        plain = [c.values for c in columns if not c.ids]
        if numbers := [x for x in plain if len(x.shape) == 1]:
            parts.append(keras.ops.stack(numbers, axis=-1))
        parts += [x for x in plain if len(x.shape) == 2]
        x = parts[0] if len(parts) == 1 else layers.Concatenate(name="columns.join")(parts)
        for i, width in enumerate(self.layers):
            x = layers.Dense(width, activation="relu", name=f"columns.dense{i}.dense")(x)
        return x
