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
    """A preprocessed feature: float [batch] or [batch, width]; or int32 [batch] below `ids`.

    knots: of a number that is read by bins; see `models.inputs.numeric.NumericFeature`.
    """

    values: Tensor
    ids: int = 0
    knots: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ColumnMlp:
    """Embeds each column, concatenates all columns, and applies dense layers.

    Numbers are encoded piecewise linearly (Gorishniy et al. 2022, arXiv:2203.05556), and by a
    learned vector of their bin.

    embedding: width of both embeddings of a number, and largest width of the embedding of a
        category; a column of few values gets a narrower one.
    layers: widths of the dense layers.
    members: predictors that share the dense layers, except for factors and biases, and are averaged
        (TabM: Gorishniy et al. 2024, arXiv:2410.24210). 1 is a plain perceptron.
    """

    __pydantic_config__ = STRICT
    embedding: Annotated[int, Field(ge=1)] = 16
    layers: tuple[Annotated[int, Field(ge=1)], ...] = (128,)
    members: Annotated[int, Field(ge=1)] = 8

    def encode(self, columns: Sequence[Column], dropout: float) -> Tensor:
        """From columns to [batch * members, width]: embedded categories first, then
        numbers, then vectors.

        dropout: rate after each dense layer.
        """
        from models.trunks.layers.members import SplitMembers, member_dense
        from models.trunks.layers.number_encoding import NumberEncoding

        layers = keras.layers
        parts = []
        for c in columns:
            if c.ids:
                width = min(self.embedding, (c.ids + 1) // 2)
                name = f"columns.embeddings.{scope_of(c.values.name)}"
                embed = layers.Embedding(c.ids, width, name=name)
                parts.append(embed(c.values))
        if binned := [c for c in columns if c.knots]:
            numbers = keras.ops.stack([c.values for c in binned], axis=-1)
            knots = [c.knots for c in binned]
            encode = NumberEncoding(knots, self.embedding, name="columns.numbers.encoding")
            parts.append(encode(numbers))
        plain = [c.values for c in columns if not (c.ids or c.knots)]
        if numbers := [x for x in plain if len(x.shape) == 1]:
            parts.append(keras.ops.stack(numbers, axis=-1))
        parts += [x for x in plain if len(x.shape) == 2]
        x = parts[0] if len(parts) == 1 else layers.Concatenate(name="columns.join")(parts)
        if self.members > 1:
            x = SplitMembers(self.members, name="columns.members")(x)
        for i, width in enumerate(self.layers):
            x = member_dense(x, width, self.members, f"columns.dense{i}", signs=i == 0)
            x = layers.Dropout(dropout, name=f"columns.dense{i}.dropout")(x)
        return x
