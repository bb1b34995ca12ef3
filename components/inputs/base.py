"""What the stages need to know about a kind of input, besides how it is fitted and preprocessed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import pyarrow as pa

from components.data.casting import numbers, texts
from components.statistics.column_statistics import ColumnStatistics, NumericColumn, StringColumn
from models.inputs.base import Input

if TYPE_CHECKING:
    import pandas as pd

I = TypeVar("I", bound=Input)  # noqa: E741
SpecPart = dict[str, Any]
"""An input as a spec has it in YAML."""


class InputKind(ABC, Generic[I]):
    """The subclass of a kind lies in the module of that name in `components.inputs`.

    described_as: how StatisticsGen describes its column; None for what follows from the column's
        type.
    """

    described_as: ClassVar[Literal["image", "text"] | None] = None

    @abstractmethod
    def unfit(self, spec: I, column: ColumnStatistics) -> str:
        """Why an input cannot read a column; empty if it can."""

    def has_vocabulary(self, spec: I) -> bool:
        """Whether the model treats values that training rows lack as unknown."""
        return False

    @abstractmethod
    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        """For `rootstock init`: the input that a column with some values looks like, or a phrase
        saying why a column that only this kind could read is left out; None if it is not of this
        kind.
        """

    def is_wide(self, spec: I) -> bool:
        """Whether the classical baseline gets so many columns of it that it takes a linear model
        instead of boosted trees.
        """
        return False

    @abstractmethod
    def baseline_columns(self, spec: I, column: pa.ChunkedArray) -> pd.DataFrame:
        """What the classical baseline reads: [rows, columns], each named `<input>` or
        `<input>.<index>`.
        """

    @abstractmethod
    def baseline_encoder(self, spec: I, wide: bool) -> tuple[Any, Any]:
        """A scikit-learn transformer, and the columns of `baseline_columns` that it reads.

        wide: for a linear model, which needs scaled values.
        """


def holds(spec: Input, column: ColumnStatistics) -> str:
    """The beginning of a sentence about a column that an input cannot read."""
    return f"inputs.{spec.name}: column {spec.column!r} holds {column.type} values"


def not_numbers(spec: Input, column: ColumnStatistics) -> str:
    """Why an input that reads numbers cannot read a column; empty if it can."""
    if isinstance(column, NumericColumn):
        return ""
    values = column.values.counts[:3] if isinstance(column, StringColumn) else ()
    examples = ", ".join(repr(v) for v, _ in values)
    return (
        f"{holds(spec, column)}{f' such as {examples}' if examples else ''}. Expected numbers: add"
        " what means missing to the source's `null_values`, or declare the column's type under"
        " `types`."
    )


def number_column(spec: Input, column: pa.ChunkedArray) -> pd.DataFrame:
    """One column of float64, NaN where missing."""
    import pandas as pd

    return pd.DataFrame({spec.name: numbers(column)})


def text_column(spec: Input, column: pa.ChunkedArray) -> pd.DataFrame:
    """One column of strings, "" where missing."""
    return texts(column).fill_null("").to_pandas().to_frame(spec.name)  # type: ignore[no-any-return]


def number_encoder(spec: Input, wide: bool) -> tuple[Any, Any]:
    """For one column of numbers: boosted trees take them as they are."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    return scaled if wide else "passthrough", [spec.name]


def word_encoder(spec: Input, pattern: str) -> tuple[Any, Any]:
    """For one column of text: words, weighted by TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, token_pattern=pattern), spec.name
