"""Statistics of columns in the making: add arrays, merge other shards, read the result.

Nothing is random: the same shards, merged in the same order, give the same bytes.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections import Counter
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from components.data.casting import numbers, texts
from components.statistics.column_statistics import (
    BytesColumn,
    ColumnStatistics,
    ImageColumn,
    ListColumn,
    NumericColumn,
    StringColumn,
    TextColumn,
    ValueCounts,
)
from components.statistics.image_channels import Channels
from components.statistics.sketches import CountedValues, DistinctValues, Moments, Quantiles, Sizes

MAX_DISTINCT = 1_000_000
MAX_DISTINCT_FLOATS = 10_000
PERCENTILES = [i / 100 for i in range(101)]


class Accumulator(ABC):
    """Collects the statistics of one column."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self.name, self.type = name, str(kind)
        self.present = self.missing = 0

    def add(self, column: pa.Array) -> None:
        """Add the rows of one batch."""
        values = column.drop_null()
        self.missing += len(column) - len(values)
        self.present += len(values)
        self._add(values)

    def merge(self, other: Self) -> None:
        """Add the rows that `other` has seen, after those seen here."""
        self.present += other.present
        self.missing += other.missing
        self._merge(other)

    @abstractmethod
    def _add(self, values: pa.Array) -> None: ...

    @abstractmethod
    def _merge(self, other: Self) -> None: ...

    @abstractmethod
    def result(self) -> ColumnStatistics:
        """The statistics of all rows seen."""


class NumericAccumulator(Accumulator):
    def __init__(self, name: str, kind: pa.DataType) -> None:
        super().__init__(name, kind)
        self.infinite = self.zeros = 0
        self.moments, self.logs, self.quantiles = Moments(), Moments(), Quantiles()
        self.values = CountedValues(
            MAX_DISTINCT_FLOATS if pa.types.is_floating(kind) else MAX_DISTINCT
        )

    def _add(self, values: pa.Array) -> None:
        import numpy as np

        if pa.types.is_floating(values.type):
            nan = pc.is_nan(values)
            values = values.filter(pc.invert(nan))
            self.present -= len(nan) - len(values)
            self.missing += len(nan) - len(values)
        self.values.add(values)
        x = numbers(values)
        finite = x[np.isfinite(x)]
        self.infinite += len(x) - len(finite)
        self.zeros += int(np.count_nonzero(finite == 0))
        self.moments.add(finite)
        self.logs.add(np.sign(finite) * np.log1p(np.abs(finite)))
        self.quantiles.add(finite)

    def _merge(self, other: Self) -> None:
        self.infinite += other.infinite
        self.zeros += other.zeros
        self.moments.merge(other.moments)
        self.logs.merge(other.logs)
        self.quantiles.merge(other.quantiles)
        self.values.merge(other.values)

    def result(self) -> NumericColumn:
        return NumericColumn(
            name=self.name,
            type=self.type,
            present=self.present,
            missing=self.missing,
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


class StringAccumulator(Accumulator):
    def __init__(self, name: str, kind: pa.DataType) -> None:
        super().__init__(name, kind)
        self.characters, self.values = Sizes(), CountedValues(MAX_DISTINCT)

    def _add(self, values: pa.Array) -> None:
        self.characters.add(pc.utf8_length(values))
        self.values.add(values)

    def _merge(self, other: Self) -> None:
        self.characters.merge(other.characters)
        self.values.merge(other.values)

    def result(self) -> StringColumn:
        return StringColumn(
            name=self.name,
            type=self.type,
            present=self.present,
            missing=self.missing,
            characters=self.characters.range(),
            values=_counts(self.values),
        )


class TextAccumulator(Accumulator):
    def __init__(self, name: str, kind: pa.DataType) -> None:
        super().__init__(name, kind)
        self.characters, self.words, self.distinct = Sizes(), Sizes(), DistinctValues()

    def _add(self, values: pa.Array) -> None:
        values = texts(values)
        self.characters.add(pc.utf8_length(values))
        self.words.add(pc.count_substring_regex(values, r"\S+"))
        self.distinct.add(values)

    def _merge(self, other: Self) -> None:
        self.characters.merge(other.characters)
        self.words.merge(other.words)
        self.distinct.merge(other.distinct)

    def result(self) -> TextColumn:
        return TextColumn(
            name=self.name,
            type=self.type,
            present=self.present,
            missing=self.missing,
            characters=self.characters.range(),
            words=self.words.range(),
            distinct=self.distinct.estimate(),
        )


class ListAccumulator(Accumulator):
    def __init__(self, name: str, kind: pa.DataType) -> None:
        super().__init__(name, kind)
        self.empty = 0
        floats = pa.types.is_floating(kind.value_type)
        self.lengths = Sizes()
        self.values = CountedValues(MAX_DISTINCT_FLOATS if floats else MAX_DISTINCT)

    def _add(self, values: pa.Array) -> None:
        lengths = pc.list_value_length(values)
        self.lengths.add(lengths)
        self.empty += int(pc.sum(pc.equal(lengths, 0)).as_py() or 0)
        self.values.add(pc.list_flatten(values).drop_null())

    def _merge(self, other: Self) -> None:
        self.empty += other.empty
        self.lengths.merge(other.lengths)
        self.values.merge(other.values)

    def result(self) -> ListColumn:
        return ListColumn(
            name=self.name,
            type=self.type,
            present=self.present,
            missing=self.missing,
            empty=self.empty,
            lengths=self.lengths.range(),
            values=_counts(self.values),
        )


class ImageAccumulator(Accumulator):
    def __init__(self, name: str, kind: pa.DataType) -> None:
        super().__init__(name, kind)
        self.heights, self.widths = Sizes(), Sizes()
        self.formats: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.channels = Channels()
        self.unreadable = 0

    def _add(self, values: pa.Array) -> None:
        from PIL import Image

        sizes = []
        for value in values.to_pylist():
            with Image.open(io.BytesIO(value)) as image:
                sizes.append(image.size)
                self.formats[image.format or "unknown"] += 1
                self.modes[image.mode] += 1
                try:
                    self.channels.add(image)
                except (OSError, SyntaxError, ValueError):
                    self.unreadable += 1
        self.widths.add(pa.array([w for w, _ in sizes], pa.int64()))
        self.heights.add(pa.array([h for _, h in sizes], pa.int64()))

    def _merge(self, other: Self) -> None:
        self.heights.merge(other.heights)
        self.widths.merge(other.widths)
        self.formats.update(other.formats)
        self.modes.update(other.modes)
        self.channels.merge(other.channels)
        self.unreadable += other.unreadable

    def result(self) -> ImageColumn:
        return ImageColumn(
            name=self.name,
            type=self.type,
            present=self.present,
            missing=self.missing,
            heights=self.heights.range(),
            widths=self.widths.range(),
            formats=ValueCounts(counts=_ordered(self.formats)),
            modes=ValueCounts(counts=_ordered(self.modes)),
            channel_means=self.channels.means,
            channel_deviations=self.channels.deviations,
            unreadable=self.unreadable,
        )


class BytesAccumulator(Accumulator):
    def __init__(self, name: str, kind: pa.DataType) -> None:
        super().__init__(name, kind)
        self.sizes = Sizes()

    def _add(self, values: pa.Array) -> None:
        self.sizes.add(pc.binary_length(values))

    def _merge(self, other: Self) -> None:
        self.sizes.merge(other.sizes)

    def result(self) -> BytesColumn:
        return BytesColumn(
            name=self.name,
            type=self.type,
            present=self.present,
            missing=self.missing,
            sizes=self.sizes.range(),
        )


def accumulator(field: pa.Field, image: bool, text: bool) -> Accumulator:
    """The accumulator for a column of examples.

    image, text: whether the column is declared to hold images or texts.
    """
    kind = field.type
    cls: type[Accumulator]
    if text:
        cls = TextAccumulator
    elif pa.types.is_binary(kind):
        cls = ImageAccumulator if image else BytesAccumulator
    elif pa.types.is_string(kind):
        cls = StringAccumulator
    elif pa.types.is_list(kind):
        cls = ListAccumulator
    else:
        cls = NumericAccumulator
    return cls(field.name, kind)


def _counts(values: CountedValues) -> ValueCounts:
    if values.truncated:
        return ValueCounts(truncated=True)
    distinct, counts = values.counts()
    table = pa.table([texts(distinct), counts], ["value", "count"])
    table = table.group_by("value", use_threads=False).aggregate([("count", "sum")])
    table = table.sort_by([("count_sum", "descending"), ("value", "ascending")])
    columns = (table.column(name).to_pylist() for name in ("value", "count_sum"))
    return ValueCounts(counts=tuple(zip(*columns, strict=True)))


def _ordered(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
