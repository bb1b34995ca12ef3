"""Statistics of columns in the making: add arrays, merge other shards, read the result.

Nothing is random: the same shards, merged in the same order, give the same bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import Self, TypedDict

from components.data.casting import numbers, texts
from components.data.images import image_header, opened
from components.data.lazy import np, pa, pc
from components.statistics import column_statistics as columns
from components.statistics.sketches import (
    Channels,
    CountedValues,
    DistinctValues,
    Moments,
    Quantiles,
    Sizes,
)

MAX_DISTINCT = 1_000_000
MAX_DISTINCT_FLOATS = 10_000
PERCENTILES = [i / 100 for i in range(101)]


class Common(TypedDict):
    """The fields of `columns.Column`."""

    name: str
    type: str
    present: int
    missing: int


@dataclass(kw_only=True)
class Accumulator(ABC):
    """Collects the statistics of one column, in numbers that add up and sketches that merge."""

    name: str
    type: str
    present: int = 0
    missing: int = 0

    def add(self, column: pa.Array) -> None:
        values = column.drop_null()
        if pa.types.is_floating(values.type):
            values = values.filter(pc.invert(pc.is_nan(values)))
        self.missing += len(column) - len(values)
        self.present += len(values)
        self._add(values)

    def merge(self, other: Self) -> None:
        """Add the rows that `other` has seen, after those seen here."""
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            if isinstance(mine, int):
                setattr(self, part.name, mine + theirs)
            elif not isinstance(mine, str):
                mine.merge(theirs)

    def common(self) -> Common:
        present, missing = self.present, self.missing
        return Common(name=self.name, type=self.type, present=present, missing=missing)

    @abstractmethod
    def _add(self, values: pa.Array) -> None: ...

    @abstractmethod
    def result(self) -> columns.ColumnStatistics: ...


@dataclass(kw_only=True)
class NumericAccumulator(Accumulator):
    values: CountedValues
    infinite: int = 0
    zeros: int = 0
    moments: Moments = field(default_factory=Moments)
    logs: Moments = field(default_factory=Moments)
    quantiles: Quantiles = field(default_factory=Quantiles)

    def _add(self, values: pa.Array) -> None:
        self.values.add(values)
        x = numbers(values)
        finite = x[np.isfinite(x)]
        self.infinite += len(x) - len(finite)
        self.zeros += int(np.count_nonzero(finite == 0))
        self.moments.add(finite)
        self.logs.add(np.sign(finite) * np.log1p(np.abs(finite)))
        self.quantiles.add(finite)

    def result(self) -> columns.NumericColumn:
        return columns.NumericColumn(
            **self.common(),
            infinite=self.infinite,
            zeros=self.zeros,
            mean=self.moments.mean,
            deviation=self.moments.deviation,
            minimum=self.moments.minimum,
            maximum=self.moments.maximum,
            log_mean=self.logs.mean,
            log_deviation=self.logs.deviation,
            percentiles=self.quantiles.at(PERCENTILES),
            values=_counts(self.values),
        )


@dataclass(kw_only=True)
class StringAccumulator(Accumulator):
    values: CountedValues
    characters: Sizes = field(default_factory=Sizes)

    def _add(self, values: pa.Array) -> None:
        self.characters.add(pc.utf8_length(values))
        self.values.add(values)

    def result(self) -> columns.StringColumn:
        characters, values = self.characters.range(), _counts(self.values)
        return columns.StringColumn(**self.common(), characters=characters, values=values)


@dataclass(kw_only=True)
class TextAccumulator(Accumulator):
    characters: Sizes = field(default_factory=Sizes)
    words: Sizes = field(default_factory=Sizes)
    distinct: DistinctValues = field(default_factory=DistinctValues)

    def _add(self, values: pa.Array) -> None:
        values = texts(values)
        self.characters.add(pc.utf8_length(values))
        self.words.add(pc.count_substring_regex(values, r"\S+"))
        self.distinct.add(values)

    def result(self) -> columns.TextColumn:
        return columns.TextColumn(
            **self.common(),
            characters=self.characters.range(),
            words=self.words.range(),
            distinct=self.distinct.estimate(),
        )


@dataclass(kw_only=True)
class ListAccumulator(Accumulator):
    values: CountedValues
    empty: int = 0
    lengths: Sizes = field(default_factory=Sizes)

    def _add(self, values: pa.Array) -> None:
        lengths = pc.list_value_length(values)
        self.lengths.add(lengths)
        self.empty += pc.equal(lengths, 0).true_count
        self.values.add(pc.list_flatten(values).drop_null())

    def result(self) -> columns.ListColumn:
        lengths, values = self.lengths.range(), _counts(self.values)
        return columns.ListColumn(**self.common(), empty=self.empty, lengths=lengths, values=values)


@dataclass(kw_only=True)
class ImageAccumulator(Accumulator):
    heights: Sizes = field(default_factory=Sizes)
    widths: Sizes = field(default_factory=Sizes)
    formats: CountedValues = field(default_factory=lambda: CountedValues(MAX_DISTINCT))
    modes: CountedValues = field(default_factory=lambda: CountedValues(MAX_DISTINCT))
    channels: Channels = field(default_factory=Channels)
    unreadable: int = 0

    def _add(self, values: pa.Array) -> None:
        headers = []
        for value in values.to_pylist():
            try:
                with opened(value) as image:
                    header = (*image_header(value).size, image.format or "unknown", image.mode)
                    headers.append(header)
                    self.channels.add(image)
            except (OSError, SyntaxError, ValueError):
                self.unreadable += 1
        parts: list[Sizes | CountedValues] = [self.widths, self.heights, self.formats, self.modes]
        for part, column in zip(parts, zip(*headers, strict=True), strict=False):
            part.add(pa.array(column))

    def result(self) -> columns.ImageColumn:
        means, deviations = self.channels.moments()
        return columns.ImageColumn(
            **self.common(),
            heights=self.heights.range(),
            widths=self.widths.range(),
            formats=_counts(self.formats),
            modes=_counts(self.modes),
            channel_means=means,
            channel_deviations=deviations,
            unreadable=self.unreadable,
        )


@dataclass(kw_only=True)
class BytesAccumulator(Accumulator):
    sizes: Sizes = field(default_factory=Sizes)

    def _add(self, values: pa.Array) -> None:
        self.sizes.add(pc.binary_length(values))

    def result(self) -> columns.BytesColumn:
        return columns.BytesColumn(**self.common(), sizes=self.sizes.range())


def accumulator(column: pa.Field, image: bool, text: bool) -> Accumulator:
    """The accumulator for a column of examples.

    image, text: whether the column is declared to hold images or texts.
    """
    name, kind = column.name, str(column.type)
    if text:
        return TextAccumulator(name=name, type=kind)
    if pa.types.is_binary(column.type):
        return (ImageAccumulator if image else BytesAccumulator)(name=name, type=kind)
    is_list = pa.types.is_list(column.type)
    floats = pa.types.is_floating(column.type.value_type if is_list else column.type)
    values = CountedValues(MAX_DISTINCT_FLOATS if floats else MAX_DISTINCT)
    if is_list:
        return ListAccumulator(name=name, type=kind, values=values)
    is_string = pa.types.is_string(column.type)
    cls = StringAccumulator if is_string else NumericAccumulator
    return cls(name=name, type=kind, values=values)


def _counts(values: CountedValues) -> columns.ValueCounts:
    if values.truncated:
        return columns.ValueCounts(truncated=True)
    distinct, counts = values.counts()
    table = pa.table([texts(distinct), counts], ["value", "count"])
    table = table.group_by("value", use_threads=False).aggregate([("count", "sum")])
    table = table.sort_by([("count_sum", "descending"), ("value", "ascending")])
    pairs = zip(*(table.column(c).to_pylist() for c in ("value", "count_sum")), strict=True)
    return columns.ValueCounts(counts=tuple(pairs))
