"""What the stages need to know about a kind of input, besides how it is fitted and preprocessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

from components.data.casting import numbers, texts
from components.data.lazy import pa, pd
from components.errors import RootstockError
from components.statistics.column_statistics import (
    ColumnStatistics,
    NumericColumn,
    SplitStatistics,
    StringColumn,
)
from models.discovery import methods, part
from models.inputs.base import Input

I = TypeVar("I", bound=Input)  # noqa: E741
SpecPart = dict[str, Any]
"""An input as a spec has it in YAML."""


class InputKind(Generic[I]):
    """The subclass of a kind lies in the module of that name in `components.inputs`. The defaults
    are for any input of numbers, and for the words of any text.

    described_as: how StatisticsGen describes its column; None for what follows from the column's
        type. word_pattern: what the classical baseline takes for a word.
    """

    described_as: ClassVar[Literal["image", "text"] | None] = None
    word_pattern: ClassVar[str] = r"(?u)\b\w\w+\b"

    def unfit(self, spec: I, column: ColumnStatistics) -> str:
        """Why an input cannot read a column; empty if it can."""
        if spec.raw != "number" or isinstance(column, NumericColumn):
            return ""
        values = column.values.counts[:3] if isinstance(column, StringColumn) else ()
        examples = ", ".join(repr(v) for v, _ in values)
        return (
            f"{holds(spec, column)}{f' such as {examples}' if examples else ''}. Expected numbers:"
            " add what means missing to the source's `null_values`, or declare the column's type"
            " under `types`."
        )

    def has_vocabulary(self, spec: I) -> bool:
        """Whether the model treats values that training rows lack as unknown."""
        return False

    def doubt(self, spec: I, counts: Mapping[str, int]) -> str:
        """What is strange about the texts of a column that an input can read; empty if nothing is.

        counts: rows by text.
        """
        return ""

    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        """For `rootstock init`: the input that a column with some values looks like, or a phrase
        saying why a column of this kind is left out; None if it is not of this kind.

        A tuple as a value means several inputs, one for each of its items.
        """
        return None

    def is_wide(self, spec: I) -> bool:
        """Whether it has too many columns for boosted trees: the baseline is then linear."""
        return spec.raw != "number"

    def baseline_columns(self, spec: I, column: pa.ChunkedArray) -> pd.DataFrame:
        """What the classical baseline reads: [rows, columns], each named `<input>` or
        `<input>.<index>`; by default one of float64 (NaN where missing) or strings ("" there).
        """
        if spec.raw == "number":
            return pd.DataFrame({spec.name: numbers(column)})
        return texts(column).fill_null("").to_pandas().to_frame(spec.name)  # type: ignore[no-any-return]

    def baseline_encoder(self, spec: I, wide: bool) -> tuple[Any, Any]:
        """A scikit-learn transformer, and the columns of `baseline_columns` that it reads.

        wide: for a linear model, which needs scaled values; boosted trees take numbers as they are.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if spec.raw != "number":
            return TfidfVectorizer(sublinear_tf=True, token_pattern=self.word_pattern), spec.name
        scaled = make_pipeline(SimpleImputer(), StandardScaler())
        return scaled if wide else "passthrough", [spec.name]


def kind_of(spec: Input) -> InputKind[Any]:
    return part("components.inputs", InputKind, spec.kind)()


def all_kinds() -> list[InputKind[Any]]:
    names = methods("models.inputs", Input, key="kind")
    return [part("components.inputs", InputKind, name)() for name in names]


def column_of(spec: Input, split: SplitStatistics) -> ColumnStatistics:
    """The statistics of the column that an input reads.

    Raises:
        RootstockError: the column is missing, or the input cannot read it.
    """
    column = split.columns.get(spec.column)
    if column is None:
        raise RootstockError(
            f"inputs.{spec.name}: no column {spec.column!r} in the examples. Columns there:"
            f" {', '.join(split.columns)}."
        )
    if problem := kind_of(spec).unfit(spec, column):
        raise RootstockError(problem)
    return column


def holds(spec: Input, column: ColumnStatistics) -> str:
    """The beginning of a sentence about a column that an input cannot read."""
    return f"inputs.{spec.name}: column {spec.column!r} holds {column.type} values"
