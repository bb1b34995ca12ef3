from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format
from scipy.spatial.distance import jensenshannon
from tensorflow_metadata.proto.v0 import schema_pb2

from components.statistics.column_statistics import (
    ColumnStatistics,
    ImageColumn,
    NumericColumn,
    Range,
    SplitStatistics,
    StringColumn,
    TextColumn,
    ValueCounts,
)
from components.statistics.distances import jensen_shannon, l_infinity
from components.validation.drift_and_skew import shift_findings

RNG = np.random.default_rng(3)
U = np.linspace(0, 1, 11)
PERCENT = np.linspace(0, 1, 101)


def test_jensen_shannon_of_uniforms() -> None:
    assert jensen_shannon(U, U) == 0
    assert jensen_shannon(U, U + 5) == pytest.approx(1)
    assert jensen_shannon(U, U + 0.5) == pytest.approx(0.5)
    assert jensen_shannon([2.0] * 11, [2.0] * 11) == 0
    assert jensen_shannon([2.0] * 11, U * 4) == pytest.approx(1)
    half = [0.0] * 6 + [1.0] * 5
    assert jensen_shannon(half, [0.0] * 11) == pytest.approx(
        jensenshannon([0.5, 0.1, 0.4], [1, 0, 0], 2) ** 2
    )


@pytest.mark.slow
def test_jensen_shannon_as_scipy_has_it() -> None:
    for _ in range(20):
        a, b = (np.sort(RNG.normal(RNG.normal(), 1, 11)) for _ in range(2))
        edges = np.unique([*a, *b])
        ranks = (np.arange(1_000_000) + 0.5) / 1_000_000
        p, q = (np.histogram(np.interp(ranks, U, x), edges)[0] for x in (a, b))
        assert jensen_shannon(a, b) == pytest.approx(jensenshannon(p, q, 2) ** 2, abs=1e-4)
        assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a))


def test_l_infinity() -> None:
    assert l_infinity({"a": 1, "b": 1}, {"a": 9, "b": 1}) == (pytest.approx(0.4), "a")
    assert l_infinity({"a": 1}, {"c": 3}) == (1.0, "a")
    assert l_infinity({}, {}) == (0.0, "")


def split(*columns: ColumnStatistics) -> SplitStatistics:
    return SplitStatistics(name="train", rows=100, columns={c.name: c for c in columns})


def strings(counts: dict[str, int], missing: int = 0) -> StringColumn:
    present = sum(counts.values())
    values = ValueCounts(counts=tuple(counts.items()))
    return StringColumn(name="c", type="string", present=present, missing=missing, values=values)


def found(
    here: ColumnStatistics, there: ColumnStatistics, schema: str = "", threshold: float = 0.1
) -> list[tuple[str, str]]:
    parsed = text_format.Parse(schema, schema_pb2.Schema())
    findings = shift_findings("drift", split(here), split(there), parsed, threshold)
    return [(f.severity, f.type) for f in findings]


def test_values_numbers_texts_and_images() -> None:
    l_inf, js = "COMPARATOR_L_INFTY_HIGH", "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"
    here = strings({"a": 50, "b": 50})
    assert found(here, strings({"a": 55, "b": 45})) == []
    assert found(here, strings({"a": 90, "b": 10})) == [("WARNING", l_inf)]
    assert found(here, strings({"a": 30, "b": 30}, missing=40)) == [("WARNING", l_inf)]
    low = NumericColumn(name="n", type="double", present=9, percentiles=tuple(PERCENT))
    high = NumericColumn(name="n", type="double", present=9, percentiles=tuple(PERCENT + 0.5))
    assert found(low, low) == []
    assert found(low, high) == [("WARNING", js)]
    short = TextColumn(name="t", type="string", present=9, words=Range(mean=10))
    long = TextColumn(name="t", type="string", present=9, words=Range(mean=20))
    assert found(short, long) == [("WARNING", l_inf)]
    small = ImageColumn(name="i", type="binary", present=9, heights=Range(mean=32))
    large = ImageColumn(name="i", type="binary", present=9, heights=Range(mean=64))
    assert found(small, large) == [("WARNING", l_inf)]
    assert found(here, NumericColumn(name="c", type="double")) == []


def test_the_schema_sets_thresholds() -> None:
    comparator = "drift_comparator {{ infinity_norm {{ threshold: {} }} }}"
    schema = 'feature {{ name: "c" ' + comparator + " }}"
    here, there = strings({"a": 50, "b": 50}), strings({"a": 80, "b": 20})
    assert found(here, there, schema.format(0.2)) == [("ERROR", "COMPARATOR_L_INFTY_HIGH")]
    assert found(here, there, schema.format(0.5)) == []


def test_sentences_say_what_changed_and_what_to_do() -> None:
    here, there = split(strings({"a": 50, "b": 50})), split(strings({"a": 80, "b": 20}))
    [finding] = shift_findings("skew", here, there, schema_pb2.Schema(), 0.1)
    assert finding.sentence == (
        "column 'c' skews from serving: 'a' is 50.0% of values, against 80.0%: a distance of 0.3"
        " (L-infinity). Expected at most 0.1; set skew_comparator.infinity_norm.threshold of its"
        " feature in the schema to choose another."
    )
