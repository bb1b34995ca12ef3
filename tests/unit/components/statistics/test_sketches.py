from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from components.statistics.sketches import CountedValues, DistinctValues, Moments, Quantiles, Sizes


def test_moments_merge_to_those_of_all() -> None:
    x = np.random.default_rng(0).normal(1e6, 2.0, 10_000)
    merged = Moments()
    for part in np.array_split(x, 7):
        one = Moments()
        one.add(part)
        merged.merge(one)
    assert merged.count == len(x)
    assert merged.mean == pytest.approx(x.mean(), rel=1e-12)
    assert merged.deviation == pytest.approx(x.std(), rel=1e-9)
    assert (merged.minimum, merged.maximum) == (x.min(), x.max())
    assert Moments().deviation == 0.0


def test_quantiles_are_exact_for_few_and_close_for_many() -> None:
    few = Quantiles()
    few.add(np.arange(1, 102, dtype=float))
    assert few.at([0, 0.25, 0.5, 1]) == (1, 26, 51, 101)
    x = np.random.default_rng(0).normal(size=1_000_000)
    many, again = Quantiles(), Quantiles()
    for part in np.array_split(x, 40):
        many.add(part)
        again.add(part)
    ranks = [0.01, 0.1, 0.5, 0.9, 0.99]
    assert many.at(ranks) == again.at(ranks)
    for rank, value in zip(ranks, many.at(ranks), strict=True):
        assert abs((x < value).mean() - rank) < 2e-3
    assert many.at([0, 1]) == (x.min(), x.max())
    assert Quantiles().at([0.5]) == ()


def test_counts_are_exact_until_there_are_too_many() -> None:
    values = [str(i % 50) for i in range(1000)]
    parts = [CountedValues(50) for _ in range(3)]
    for i, part in enumerate(parts):
        part.add(pa.array(values[i::3]))
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    distinct, counts = parts[0].counts()
    assert dict(zip(distinct.to_pylist(), counts.to_pylist(), strict=True)) == {
        str(i): 20 for i in range(50)
    }
    other = CountedValues(50)
    other.add(pa.array(["one more"]))
    parts[0].merge(other)
    assert parts[0].truncated
    assert len(parts[0].counts()[1]) == 0


def test_truncation_does_not_depend_on_the_order_of_merging() -> None:
    def counted(values: list[str]) -> CountedValues:
        made = CountedValues(3)
        made.add(pa.array(values))
        return made

    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        parts = [["a", "b"], ["c"], ["d"]]
        total = counted([])
        for i in order:
            total.merge(counted(parts[i]))
        assert total.truncated


def test_distinct_is_exact_for_few_and_close_for_many() -> None:
    few = DistinctValues()
    few.add(pa.array(["a", "b", "a"]))
    assert few.estimate() == 2
    left, right = DistinctValues(), DistinctValues()
    left.add(pa.array([str(i) for i in range(30_000)]))
    right.add(pa.array([str(i) for i in range(20_000, 50_000)]))
    left.merge(right)
    assert left.estimate() == pytest.approx(50_000, rel=0.1)


def test_sizes() -> None:
    sizes = Sizes()
    assert sizes.range().mean == 0
    sizes.add(pa.array([3, 5]))
    other = Sizes()
    other.add(pa.array([1]))
    sizes.merge(other)
    made = sizes.range()
    assert (made.minimum, made.mean, made.maximum) == (1, 3, 5)
