"""Checks of every split's columns against a schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import listed
from components.statistics.column_statistics import (
    ColumnStatistics,
    ListColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
)
from components.validation.anomalies import Finding

_UNCHECKED = (schema_pb2.PLANNED, schema_pb2.DEPRECATED, schema_pb2.DISABLED)
_TYPES = {schema_pb2.INT: "whole numbers", schema_pb2.FLOAT: "numbers", schema_pb2.BYTES: "text"}


def schema_findings(
    splits: Mapping[str, SplitStatistics], schema: schema_pb2.Schema
) -> Iterator[Finding]:
    """Missing and new columns, wrong types, presence, list lengths and domains, per split."""
    domains = {d.name: d for d in schema.string_domain}
    known = {f.name for f in schema.feature}
    for feature in schema.feature:
        if feature.lifecycle_stage in _UNCHECKED or feature.deprecated:
            continue
        for split in splits.values():
            column = split.columns.get(feature.name)
            if column is None:
                yield _finding(
                    feature,
                    "SCHEMA_MISSING_COLUMN",
                    "is in the schema but not in the data. Columns there:"
                    f" {', '.join(split.columns)}.",
                )
                break
            yield from _column_findings(feature, column, split, domains)
    for name in next(iter(splits.values())).columns:
        if name not in known:
            yield Finding(
                subject=name,
                column=name,
                severity="WARNING",
                type="SCHEMA_NEW_COLUMN",
                sentence=f"column {name!r} is in the data but not in the schema.",
            )


def _column_findings(
    feature: schema_pb2.Feature,
    column: ColumnStatistics,
    split: SplitStatistics,
    domains: Mapping[str, schema_pb2.StringDomain],
) -> Iterator[Finding]:
    if (actual := _type_of(column)) != feature.type and (actual, feature.type) != (
        schema_pb2.INT,
        schema_pb2.FLOAT,
    ):
        expected = _TYPES.get(feature.type, "another type")
        yield _finding(
            feature,
            "UNEXPECTED_DATA_TYPE",
            f"holds {column.type} values in {split.name}. Expected {expected}.",
        )
        return
    presence = feature.presence
    fraction = column.present / split.rows if split.rows else 0.0
    if fraction < presence.min_fraction:
        yield _finding(
            feature,
            "FEATURE_TYPE_LOW_FRACTION_PRESENT",
            f"is missing in {column.missing} of {split.rows} rows of {split.name}. Expected it in"
            f" at least {presence.min_fraction:.4g} of the rows.",
        )
    elif column.present < presence.min_count:
        yield _finding(
            feature,
            "FEATURE_TYPE_LOW_NUMBER_PRESENT",
            f"has values in {column.present} rows of {split.name}. Expected at least"
            f" {presence.min_count}.",
        )
    if isinstance(column, ListColumn) and column.present:
        low, high = feature.value_count.min, feature.value_count.max
        if column.lengths.minimum < low or (high and column.lengths.maximum > high):
            yield _finding(
                feature,
                "FEATURE_TYPE_HIGH_NUMBER_VALUES",
                f"has lists of {column.lengths.minimum:g} to {column.lengths.maximum:g} values in"
                f" {split.name}. Expected {low} to {high or 'any number'}.",
            )
    if isinstance(column, StringColumn | ListColumn):
        yield from _string_findings(feature, column, split, domains)
    if isinstance(column, NumericColumn) and column.present:
        yield from _range_findings(feature, column, split)


def _string_findings(
    feature: schema_pb2.Feature,
    column: StringColumn | ListColumn,
    split: SplitStatistics,
    domains: Mapping[str, schema_pb2.StringDomain],
) -> Iterator[Finding]:
    if feature.HasField("string_domain"):
        domain = feature.string_domain
    elif feature.domain in domains:
        domain = domains[feature.domain]
    else:
        return
    allowed = set(domain.value)
    others = [(v, n) for v, n in column.values.counts if v not in allowed]
    if not others and not column.values.truncated:
        return
    constraints = feature.distribution_constraints
    least = constraints.min_domain_mass if feature.HasField("distribution_constraints") else 1.0
    outside = sum(n for _, n in others)
    total = sum(n for _, n in column.values.counts)
    yield _finding(
        feature,
        "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
        f"holds values outside its domain in {split.name}: {listed(others)}.",
        "WARNING" if total and 1 - outside / total >= least else "ERROR",
    )


def _range_findings(
    feature: schema_pb2.Feature, column: NumericColumn, split: SplitStatistics
) -> Iterator[Finding]:
    kind = "INT" if feature.HasField("int_domain") else "FLOAT"
    domain = feature.int_domain if kind == "INT" else feature.float_domain
    if domain.HasField("min") and column.minimum < domain.min:
        yield _finding(
            feature,
            "INT_TYPE_SMALL_INT" if kind == "INT" else "FLOAT_TYPE_SMALL_FLOAT",
            f"goes down to {column.minimum:g} in {split.name}. Expected at least {domain.min:g}.",
        )
    if domain.HasField("max") and column.maximum > domain.max:
        yield _finding(
            feature,
            "INT_TYPE_BIG_INT" if kind == "INT" else "FLOAT_TYPE_BIG_FLOAT",
            f"goes up to {column.maximum:g} in {split.name}. Expected at most {domain.max:g}.",
        )
    if feature.float_domain.disallow_inf and column.infinite:
        yield _finding(
            feature,
            "FLOAT_TYPE_HAS_INF",
            f"holds {column.infinite} infinite values in {split.name}. Expected finite ones.",
        )


def _type_of(column: ColumnStatistics) -> int:
    if isinstance(column, NumericColumn):
        whole = column.type in ("int64", "bool")
        return int(schema_pb2.INT if whole else schema_pb2.FLOAT)
    if isinstance(column, ListColumn):
        if "int" in column.type or "bool" in column.type:
            return int(schema_pb2.INT)
        if "double" in column.type or "float" in column.type:
            return int(schema_pb2.FLOAT)
    return int(schema_pb2.BYTES)


def _finding(
    feature: schema_pb2.Feature, kind: str, problem: str, severity: str = "ERROR"
) -> Finding:
    return Finding(
        subject=feature.name,
        column=feature.name,
        severity="WARNING" if severity == "WARNING" else "ERROR",
        type=kind,
        sentence=f"column {feature.name!r} {problem}",
    )
