"""Statistics of parts, merged in any order, are those of the whole."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.statistics.accumulators import Accumulator, accumulator
from components.statistics.column_statistics import NumericColumn, SplitStatistics
from components.statistics.sketches import Quantiles
from components.statistics.statistics_proto import to_proto

VALUES: dict[str, tuple[pa.DataType, bool, st.SearchStrategy[object]]] = {
    "integers": (pa.int64(), False, st.integers(-(2**40), 2**40)),
    "floats": (pa.float64(), False, st.floats(-1e9, 1e9)),
    "booleans": (pa.bool_(), False, st.booleans()),
    "strings": (pa.string(), False, st.text(st.sampled_from("aä "), max_size=4)),
    "texts": (pa.string(), True, st.text(st.sampled_from("aä "), max_size=9)),
    "lists": (pa.list_(pa.string()), False, st.lists(st.sampled_from("abc"), max_size=3)),
    "bytes": (pa.binary(), False, st.binary(max_size=3)),
}


def of(kind: pa.DataType, text: bool, values: list[object]) -> Accumulator:
    made = accumulator(pa.field("c", kind), False, text)
    made.add(pa.array(values, kind))
    return made


@pytest.mark.parametrize("name", VALUES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_merging_parts_in_any_order_gives_the_statistics_of_the_whole(
    name: str, data: st.DataObject
) -> None:
    kind, text, value = VALUES[name]
    values = data.draw(st.lists(st.none() | value, max_size=30))
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=5))
    edges = [0, *sorted(cuts), len(values)]
    parts = [of(kind, text, values[a:b]) for a, b in pairwise(edges)]
    merged = of(kind, text, [])
    for place in data.draw(st.permutations(range(len(parts)))):
        merged.merge(parts[place])
    whole, found = of(kind, text, values).result(), merged.result()
    if isinstance(whole, NumericColumn) and isinstance(found, NumericColumn):
        for figure in ("mean", "deviation", "log_mean", "log_deviation"):
            a, b = getattr(whole, figure), getattr(found, figure)
            assert math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-5), figure
        exact = ("present", "missing", "infinite", "zeros", "minimum", "maximum", "percentiles")
        assert [getattr(whole, e) for e in exact] == [getattr(found, e) for e in exact]
        assert whole.values == found.values
    else:
        assert found == whole
    splits = (SplitStatistics(name="train", rows=len(values), columns={"c": found}),)
    proto = to_proto(splits).datasets[0]
    stats = proto.features[0]
    common = getattr(stats, stats.WhichOneof("stats")).common_stats
    assert common.num_non_missing + common.num_missing == len(values) == proto.num_examples


def test_quantiles_of_many_values_within_their_error() -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=400_000)
    for order in (range(8), reversed(range(8))):
        total = Quantiles()
        for place in order:
            part = Quantiles()
            for piece in np.split(values[place * 50_000 : (place + 1) * 50_000], 5):
                part.add(piece)
            total.merge(part)
        ranks = np.linspace(0, 1, 101)
        found = np.searchsorted(np.sort(values), total.at(list(ranks))) / len(values)
        assert np.abs(found - ranks).max() < 0.002
        assert total.at([0, 1]) == (values.min(), values.max())
