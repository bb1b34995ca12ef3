from __future__ import annotations

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.statistics.column_statistics import (
    ColumnStatistics,
    ListColumn,
    NumericColumn,
    Range,
    SplitStatistics,
    StringColumn,
    ValueCounts,
)
from components.validation.anomalies import Finding
from components.validation.schema_checks import schema_findings

I = NumericColumn(name="c", type="int64", present=10, minimum=-3, maximum=7)  # noqa: E741
F = NumericColumn(
    name="c", type="double", present=9, missing=1, minimum=0.5, maximum=0.7, infinite=2
)
S = StringColumn(
    name="c", type="string", present=10, values=ValueCounts(counts=(("x", 9), ("z", 1)))
)
L = ListColumn(name="c", type="list<item: string>", present=10, lengths=Range(minimum=0, maximum=4))


def findings(column: ColumnStatistics, schema: str) -> list[Finding]:
    parsed = text_format.Parse(schema, schema_pb2.Schema())
    split = SplitStatistics(name="val", rows=10, columns={"c": column})
    return list(schema_findings({"val": split}, parsed))


@pytest.mark.parametrize(
    ("column", "feature", "kind", "message"),
    [
        (S, "type: INT", "UNEXPECTED_DATA_TYPE", "holds string values in val. Expected whole"),
        (F, "type: INT", "UNEXPECTED_DATA_TYPE", "holds double values in val"),
        (
            F,
            "type: FLOAT presence { min_fraction: 0.95 }",
            "FEATURE_TYPE_LOW_FRACTION_PRESENT",
            "is missing in 1 of 10 rows of val. Expected it in at least 0.95",
        ),
        (
            F,
            "type: FLOAT presence { min_count: 10 }",
            "FEATURE_TYPE_LOW_NUMBER_PRESENT",
            "has values in 9 rows of val. Expected at least 10",
        ),
        (
            S,
            'type: BYTES string_domain { value: "x" }',
            "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
            "holds values outside its domain in val: 'z' (1 rows)",
        ),
        (I, "type: INT int_domain { min: 0 }", "INT_TYPE_SMALL_INT", "goes down to -3 in val"),
        (I, "type: INT int_domain { max: 5 }", "INT_TYPE_BIG_INT", "goes up to 7 in val"),
        (I, "type: FLOAT float_domain { min: 0 }", "FLOAT_TYPE_SMALL_FLOAT", "down to -3"),
        (F, "type: FLOAT float_domain { max: 0.6 }", "FLOAT_TYPE_BIG_FLOAT", "up to 0.7"),
        (F, "type: FLOAT float_domain { disallow_inf: true }", "FLOAT_TYPE_HAS_INF", "2 infinite"),
        (
            L,
            "type: BYTES value_count { min: 0 max: 3 }",
            "FEATURE_TYPE_HIGH_NUMBER_VALUES",
            "lists of 0 to 4 values in val. Expected 0 to 3",
        ),
    ],
)
def test_departures_from_the_schema(
    column: ColumnStatistics, feature: str, kind: str, message: str
) -> None:
    [found] = findings(column, f'feature {{ name: "c" {feature} }}')
    assert (found.severity, found.type, found.subject) == ("ERROR", kind, "c")
    assert found.sentence.startswith("column 'c' ")
    assert message in found.sentence


@pytest.mark.parametrize(
    ("column", "feature"),
    [
        (I, "type: FLOAT"),
        (I, "type: INT int_domain { min: -3 max: 7 }"),
        (S, 'type: BYTES string_domain { value: "x" value: "z" }'),
        (F, "type: FLOAT presence { min_fraction: 0.9 min_count: 9 }"),
        (L, "type: BYTES value_count { min: 0 }"),
        (S, "type: INT lifecycle_stage: DEPRECATED"),
    ],
)
def test_what_the_schema_allows(column: ColumnStatistics, feature: str) -> None:
    assert findings(column, f'feature {{ name: "c" {feature} }}') == []


def test_missing_and_new_columns() -> None:
    missing, new = findings(I, 'feature { name: "d" type: INT }')
    assert (missing.severity, missing.type) == ("ERROR", "SCHEMA_MISSING_COLUMN")
    assert (new.severity, new.type) == ("WARNING", "SCHEMA_NEW_COLUMN")


def test_shared_domain_and_tolerance() -> None:
    shared = 'string_domain { name: "D" value: "x" }'
    feature = 'feature { name: "c" type: BYTES domain: "D" %s }'
    assert findings(S, shared + feature % "")[0].severity == "ERROR"
    tolerant = feature % "distribution_constraints { min_domain_mass: 0.9 }"
    assert findings(S, shared + tolerant)[0].severity == "WARNING"
