"""Small summaries of values that can be merged.

All are deterministic. We do not use DataSketches: its quantile and frequency sketches are
randomised, and its t-digest missed the median of a million normal values by 1.2 % of the rank.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from components.data.images import in_colour
from components.data.lazy import np, pa, pc
from components.statistics.column_statistics import Range

if TYPE_CHECKING:
    from PIL import Image


@dataclass
class Moments:
    """Merged as in Chan, Golub and LeVeque (1979). squares: of the differences from the mean."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0

    def add(self, x: np.ndarray) -> None:
        """Add finite float64 values."""
        if len(x):
            squares = float(np.square(x - x.mean()).sum())
            self.merge(Moments(len(x), float(x.mean()), squares, float(x.min()), float(x.max())))

    def merge(self, other: Moments) -> None:
        if not (self.count and other.count):
            vars(self).update(vars(other if other.count else self))
            return
        total = self.count + other.count
        step = other.mean - self.mean
        self.mean += step * other.count / total
        self.squares += other.squares + step * step * self.count * other.count / total
        self.count = total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    @property
    def deviation(self) -> float:
        """Standard deviation of the population."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0


@dataclass
class Sizes:
    """Minimum, mean and maximum of integers, with an exact sum."""

    count: int = 0
    total: int = 0
    minimum: int = 0
    maximum: int = 0

    def add(self, sizes: pa.Array) -> None:
        if len(sizes):
            ends = pc.min_max(sizes).as_py()
            self.merge(Sizes(len(sizes), pc.sum(sizes).as_py(), ends["min"], ends["max"]))

    def merge(self, other: Sizes) -> None:
        if other.count:
            self.minimum = min(self.minimum, other.minimum) if self.count else other.minimum
            self.maximum = max(self.maximum, other.maximum)
            self.count += other.count
            self.total += other.total

    def range(self) -> Range:
        """All 0 if nothing was added."""
        mean = self.total / self.count if self.count else 0.0
        return Range(minimum=self.minimum, mean=mean, maximum=self.maximum)


class Quantiles:
    """Quantiles of numbers, from sorted values with weights.

    Above `LIMIT` values, `SIZE` of them at equal steps of rank represent all. Up to then quantiles
    are exact; each such compression shifts a rank by at most 1 / (2 · SIZE).
    """

    SIZE = 4096
    LIMIT = 1 << 15

    def __init__(self) -> None:
        self._values = np.empty(0)
        self._weights = np.empty(0)

    def add(self, x: np.ndarray) -> None:
        self._join(np.sort(x), np.ones(len(x)))

    def merge(self, other: Self) -> None:
        self._join(other._values, other._weights)

    def at(self, ranks: Sequence[float]) -> tuple[float, ...]:
        """Values at these ranks in [0, 1]; empty if nothing was added."""
        if not len(self._values):
            return ()
        return tuple(float(v) for v in self._pick(np.asarray(ranks)))

    def _join(self, values: np.ndarray, weights: np.ndarray) -> None:
        places = np.searchsorted(self._values, values, side="right")
        self._values = np.insert(self._values, places, values)
        self._weights = np.insert(self._weights, places, weights)
        if len(self._values) > self.LIMIT:
            total = self._weights.sum()
            inner = self._pick((np.arange(1, self.SIZE - 1)) / (self.SIZE - 1))
            ends = self._values[[0, -1]]  # extremes stay exact
            self._values = np.concatenate([ends[:1], inner, ends[1:]])
            self._weights = np.full(self.SIZE, total / self.SIZE)

    def _pick(self, ranks: np.ndarray) -> np.ndarray:
        """The first value at which the cumulative weight reaches each rank."""
        after = np.cumsum(self._weights)
        place = np.searchsorted(after, ranks * after[-1], side="left")
        return np.asarray(self._values[np.minimum(place, len(after) - 1)])


class CountedValues:
    """Exact counts of distinct values; it gives up above `limit` of them."""

    def __init__(self, limit: int) -> None:
        self.limit, self.truncated = limit, False
        self._parts: list[pa.Table] = []
        self._waiting = self._distinct = 0

    def add(self, values: pa.Array) -> None:
        """Add non-null values of one type."""
        if len(values) and not self.truncated:
            counts = values.value_counts()
            columns = [counts.field("values"), counts.field("counts")]
            self._take(pa.table(columns, ["value", "count"]))

    def merge(self, other: Self) -> None:
        self.truncated |= other.truncated
        for part in other._parts:
            self._take(part)
        self._compact()

    def counts(self) -> tuple[pa.Array, pa.Array]:
        """Distinct values and their counts, in no particular order."""
        self._compact()
        if not self._parts:
            return pa.array([], pa.string()), pa.array([], pa.int64())
        table = self._parts[0]
        return table.column("value").combine_chunks(), table.column("count").combine_chunks()

    def _take(self, part: pa.Table) -> None:
        self._parts.append(part)
        self._waiting += part.num_rows
        if self._waiting > max(1 << 16, 2 * self._distinct):
            self._compact()

    def _compact(self) -> None:
        if not self.truncated and self._waiting:
            table = pa.concat_tables(self._parts)
            if len(self._parts) > 1:
                grouped = table.group_by("value", use_threads=False).aggregate([("count", "sum")])
                table = grouped.rename_columns(["value", "count"])
            self._parts, self._distinct, self._waiting = [table], table.num_rows, 0
            self.truncated = table.num_rows > self.limit
        if self.truncated:
            self._parts, self._distinct, self._waiting = [], 0, 0


class DistinctValues:
    """Estimates the number of distinct values from the `SIZE` smallest hashes (k minimum values:
    Bar-Yossef et al., 2002); exact for fewer values.
    """

    SIZE = 1024

    def __init__(self) -> None:
        self._smallest = np.empty(0, np.uint64)

    def add(self, values: pa.Array) -> None:
        """Add non-null strings."""
        each = values.unique().to_pylist()
        digests = b"".join(hashlib.blake2b(v.encode(), digest_size=8).digest() for v in each)
        self._join(np.frombuffer(digests, ">u8").astype(np.uint64))

    def merge(self, other: Self) -> None:
        self._join(other._smallest)

    def estimate(self) -> int:
        if len(self._smallest) < self.SIZE:
            return len(self._smallest)
        return round((self.SIZE - 1) * 2.0**64 / float(self._smallest[-1]))

    def _join(self, hashes: np.ndarray) -> None:
        self._smallest = np.unique(np.concatenate([self._smallest, hashes]))[: self.SIZE]


class Channels:
    """How often each colour channel has each level, 0 to 255, over all pixels: int64 [3, 256]."""

    REDUCED_ABOVE = 256
    """Side in pixels. Larger JPEG files are read at a half, a quarter or an eighth of their size,
    but not smaller than this: many times faster, and the deviation gets slightly smaller.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)

    def add(self, image: Image.Image) -> None:
        """Add the pixels of an image that was opened and not read.

        Raises:
            OSError, SyntaxError, ValueError: Pillow cannot read them; nothing is added.
        """
        image.draft("RGB", (self.REDUCED_ABOVE, self.REDUCED_ABOVE))
        self._counts += np.reshape(in_colour(image).histogram(), (3, 256))

    def merge(self, other: Self) -> None:
        self._counts += other._counts

    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Means, and standard deviations of the population; both empty if there are no pixels."""
        pixels, levels = int(self._counts[0].sum()), np.arange(256)
        if not pixels:
            return (), ()
        sums, squares = ((self._counts @ levels**power).tolist() for power in (1, 2))
        roots = (math.sqrt(pixels * q - s * s) for s, q in zip(sums, squares, strict=True))
        return tuple(s / pixels for s in sums), tuple(root / pixels for root in roots)
