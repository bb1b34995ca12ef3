"""The statistics of every column of a split: the typed content of a `Statistics` artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from components.artifacts import UNLABELLED, Statistics

FILE = "statistics.json"


@dataclass(frozen=True, kw_only=True)
class ValueCounts:
    """Exact counts of values as text, most frequent first, ties in the order of the values; none
    are kept if there were too many distinct values to count (`truncated`).
    """

    counts: tuple[tuple[str, int], ...] = ()
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Range:
    """The range of a size over all rows, such as the length of texts; all 0 if there are none."""

    minimum: float = 0.0
    mean: float = 0.0
    maximum: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Column:
    """What all columns have. type: in Arrow. present, missing: numbers of rows; NaN is missing."""

    kind: str
    name: str
    type: str
    present: int = 0
    missing: int = 0


@dataclass(frozen=True, kw_only=True)
class NumericColumn(Column):
    """Integers, floats or booleans (as 0 and 1). All figures are over finite values.

    deviation: standard deviation of the population. log_mean, log_deviation: of
        sign(x)·log(1 + |x|).
    percentiles: 101 values from minimum to maximum; above some thousand rows within 0.1 % of rank.
    """

    kind: Literal["numeric"] = "numeric"
    infinite: int = 0
    zeros: int = 0
    mean: float = 0.0
    deviation: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    log_mean: float = 0.0
    log_deviation: float = 0.0
    percentiles: tuple[float, ...] = ()
    values: ValueCounts = ValueCounts()

    @property
    def deciles(self) -> tuple[float, ...]:
        """Minimum, deciles, maximum."""
        return self.percentiles[::10]


@dataclass(frozen=True, kw_only=True)
class StringColumn(Column):
    """Strings that are compared as a whole: categories and labels. characters: length of each."""

    kind: Literal["string"] = "string"
    characters: Range = Range()
    values: ValueCounts = ValueCounts()


@dataclass(frozen=True, kw_only=True)
class TextColumn(Column):
    """Texts. distinct: number of different ones, estimated with an error of about 3 %."""

    kind: Literal["text"] = "text"
    characters: Range = Range()
    words: Range = Range()
    distinct: int = 0


@dataclass(frozen=True, kw_only=True)
class ListColumn(Column):
    """Lists. lengths: elements of each; values: counts of elements; empty: lists without any."""

    kind: Literal["list"] = "list"
    empty: int = 0
    lengths: Range = Range()
    values: ValueCounts = ValueCounts()


@dataclass(frozen=True, kw_only=True)
class ImageColumn(Column):
    """Encoded images. heights, widths: in pixels; formats, modes: rows by Pillow's names.

    channel_means, channel_deviations: of red, green and blue, 0 to 255, over all pixels; a grey
        image counts as three equal channels; empty if there are no images.
    unreadable: images that cannot be decoded; Transform stops at the first.
    """

    kind: Literal["image"] = "image"
    heights: Range = Range()
    widths: Range = Range()
    formats: ValueCounts = ValueCounts()
    modes: ValueCounts = ValueCounts()
    channel_means: tuple[float, ...] = ()
    channel_deviations: tuple[float, ...] = ()
    unreadable: int = 0


@dataclass(frozen=True, kw_only=True)
class BytesColumn(Column):
    """Bytes that no input declares to be images. sizes: in bytes."""

    kind: Literal["bytes"] = "bytes"
    sizes: Range = Range()


ColumnStatistics = Annotated[
    NumericColumn | StringColumn | TextColumn | ListColumn | ImageColumn | BytesColumn,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, kw_only=True)
class SplitStatistics:
    """rows: in the split. columns: by name, in the order of the examples."""

    name: str
    rows: int
    columns: Mapping[str, ColumnStatistics]


_SPLITS: TypeAdapter[tuple[SplitStatistics, ...]] = TypeAdapter(tuple[SplitStatistics, ...])


def load_statistics(artifact: Statistics) -> dict[str, SplitStatistics]:
    """Statistics by split, in the order train, val, test, unlabelled."""
    splits = _SPLITS.validate_json((artifact.path / FILE).read_bytes())
    return {split.name: split for split in splits}


def labelled(splits: Mapping[str, SplitStatistics]) -> dict[str, SplitStatistics]:
    """The splits whose rows may have labels."""
    return {name: split for name, split in splits.items() if name != UNLABELLED}


def save_statistics(splits: tuple[SplitStatistics, ...], directory: Path) -> None:
    """Write `statistics.json` into an existing directory."""
    (directory / FILE).write_bytes(_SPLITS.dump_json(splits))
