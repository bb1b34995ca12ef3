"""A perceptron over numeric columns and embeddings of categorical ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.inputs import STRICT
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
        numeric: list[keras.KerasTensor],
        categorical: list[tuple[keras.KerasTensor, int]],
    ) -> keras.KerasTensor:
        """From [batch] columns, categorical ones with their number of ids, to [batch, width]."""
        raise NotImplementedError
