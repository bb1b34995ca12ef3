"""What is known of every column of a split: the typed content of a `Statistics` artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from components.artifacts import Statistics

FILE = "statistics.json"


@dataclass(frozen=True, kw_only=True)
class ValueCounts:
    """Exact counts of values as text, most frequent first, then by value.

    truncated: there were too many distinct values to count, and none are kept.
    """

    counts: tuple[tuple[str, int], ...] = ()
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Range:
    """Of a size in each row, such as the length of a text; all 0 without rows."""

    minimum: float = 0.0
    mean: float = 0.0
    maximum: float = 0.0


@dataclass(frozen=True, kw_only=True)
class NumericColumn:
    """Integers, floats or booleans (as 0 and 1). All moments are over finite values.

    present, missing: rows; NaN is missing. type: of the column, as Arrow spells it.
    deviation: of the population. log_mean, log_deviation: of sign(x)·log(1 + |x|).
    percentiles: from minimum to maximum, 101: exact up to some thousand rows, then to about 0.1 %
        of the rank.
    """

    kind: Literal["numeric"] = "numeric"
    name: str
    type: str
    present: int = 0
    missing: int = 0
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
class StringColumn:
    """Strings that are compared as wholes: categories and labels. characters: of each."""

    kind: Literal["string"] = "string"
    name: str
    type: str
    present: int = 0
    missing: int = 0
    characters: Range = Range()
    values: ValueCounts = ValueCounts()


@dataclass(frozen=True, kw_only=True)
class TextColumn:
    """Text to be read. distinct: estimated from 1,024 minimal hashes (about 3 %)."""

    kind: Literal["text"] = "text"
    name: str
    type: str
    present: int = 0
    missing: int = 0
    characters: Range = Range()
    words: Range = Range()
    distinct: int = 0


@dataclass(frozen=True, kw_only=True)
class ListColumn:
    """Lists. lengths: of each; values: of their elements; empty: lists of no elements."""

    kind: Literal["list"] = "list"
    name: str
    type: str
    present: int = 0
    missing: int = 0
    empty: int = 0
    lengths: Range = Range()
    values: ValueCounts = ValueCounts()


@dataclass(frozen=True, kw_only=True)
class ImageColumn:
    """Encoded images. heights, widths: in pixels; formats, modes: rows by Pillow's names.

    channel_means, channel_deviations: red, green and blue, 0 to 255, over all pixels (grey images
        count as three equal channels); empty without images. unreadable: images whose header says
        what they are and whose pixels cannot be read.
    """

    kind: Literal["image"] = "image"
    name: str
    type: str
    present: int = 0
    missing: int = 0
    heights: Range = Range()
    widths: Range = Range()
    formats: ValueCounts = ValueCounts()
    modes: ValueCounts = ValueCounts()
    channel_means: tuple[float, ...] = ()
    channel_deviations: tuple[float, ...] = ()
    unreadable: int = 0


@dataclass(frozen=True, kw_only=True)
class BytesColumn:
    """Bytes that nobody said are images. sizes: in bytes."""

    kind: Literal["bytes"] = "bytes"
    name: str
    type: str
    present: int = 0
    missing: int = 0
    sizes: Range = Range()


ColumnStatistics = Annotated[
    NumericColumn | StringColumn | TextColumn | ListColumn | ImageColumn | BytesColumn,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, kw_only=True)
class SplitStatistics:
    """rows: of the split. columns: by name, in the order of the examples."""

    name: str
    rows: int
    columns: Mapping[str, ColumnStatistics]


_SPLITS: TypeAdapter[tuple[SplitStatistics, ...]] = TypeAdapter(tuple[SplitStatistics, ...])


def load_statistics(artifact: Statistics) -> dict[str, SplitStatistics]:
    """Statistics by split, in the order train, val, test."""
    found = _SPLITS.validate_json((artifact.path / FILE).read_bytes())
    return {split.name: split for split in found}


def save_statistics(splits: tuple[SplitStatistics, ...], directory: Path) -> None:
    """Write `statistics.json` into an existing directory."""
    (directory / FILE).write_bytes(_SPLITS.dump_json(splits))
