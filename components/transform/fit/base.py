"""How an input of a kind becomes a feature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from components.artifacts import Examples
from components.statistics.column_statistics import ColumnStatistics
from models.inputs.base import Feature, Input
from models.inputs.encodings import ReadingOfInput
from models.inputs.text import Cleaning

I = TypeVar("I", bound=Input)  # noqa: E741
CleanedColumn = tuple[str, tuple[Cleaning, ...]]
"""A text column, and what is removed from its texts."""


@dataclass(frozen=True)
class TrainingTexts:
    """words: of all texts, most frequent first, then in the order of the words.
    lengths: number of texts by their number of words.
    """

    words: tuple[str, ...] = ()
    lengths: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingColumn:
    """What the training split says about the column of an input.

    texts: about its words, if `InputFit.counted` names a column.
    reading: how the trunk wants its inputs prepared.
    """

    column: ColumnStatistics
    examples: Examples
    texts: TrainingTexts
    reading: ReadingOfInput


class InputFit(ABC, Generic[I]):
    """The subclass of a kind lies in the module of that name in `components.transform.fit`."""

    def counted(self, spec: I, reading: ReadingOfInput) -> CleanedColumn | None:
        """The column whose words `fit` needs to have counted; None if it needs none."""
        return None

    def fit_alone(self, spec: I, reading: ReadingOfInput) -> Feature | None:
        """The feature of an input, if it follows from the spec alone; None if from the data too.

        Raises:
            RootstockError: it cannot be made.
        """
        return None

    @abstractmethod
    def fit(self, spec: I, training: TrainingColumn) -> Feature:
        """The feature of an input that can read its column.

        Raises:
            RootstockError: it cannot be made from these values.
        """
