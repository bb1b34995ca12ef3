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
from components.validation.anomalies import Finding, Severity
from components.validation.schema import type_of

_UNCHECKED = (schema_pb2.PLANNED, schema_pb2.DEPRECATED, schema_pb2.DISABLED)
_TYPES = {schema_pb2.INT: "whole numbers", schema_pb2.FLOAT: "numbers", schema_pb2.BYTES: "text"}


def schema_findings(
    splits: Mapping[str, SplitStatistics], schema: schema_pb2.Schema
) -> Iterator[Finding]:
    """Missing and new columns, wrong types, presence, list lengths and domains, per split."""
    domains = {d.name: d for d in schema.string_domain}
    for feature in schema.feature:
        if feature.lifecycle_stage in _UNCHECKED or feature.deprecated:
            continue
        for split in splits.values():
            column = split.columns.get(feature.name)
            if column is None:
                columns = ", ".join(split.columns)
                problem = f"is in the schema but not in the data. Columns there: {columns}."
                yield _finding(feature.name, "SCHEMA_MISSING_COLUMN", problem)
                break
            yield from _column_findings(feature, column, split, domains)
    known = {f.name for f in schema.feature}
    for name in next(iter(splits.values())).columns:
        if name not in known:
            problem = "is in the data but not in the schema."
            yield _finding(name, "SCHEMA_NEW_COLUMN", problem, "WARNING")


def _column_findings(
    feature: schema_pb2.Feature,
    column: ColumnStatistics,
    split: SplitStatistics,
    domains: Mapping[str, schema_pb2.StringDomain],
) -> Iterator[Finding]:
    name, types = feature.name, (type_of(column), feature.type)
    if types[0] != types[1] and types != (schema_pb2.INT, schema_pb2.FLOAT):
        expected = _TYPES.get(feature.type, "another type")
        problem = f"holds {column.type} values in {split.name}. Expected {expected}."
        yield _finding(name, "UNEXPECTED_DATA_TYPE", problem)
        return
    presence = feature.presence
    fraction = column.present / split.rows if split.rows else 0.0
    if fraction < presence.min_fraction:
        problem = (
            f"is missing in {column.missing} of {split.rows} rows of {split.name}. Expected it in"
            f" at least {presence.min_fraction:.4g} of the rows."
        )
        yield _finding(name, "FEATURE_TYPE_LOW_FRACTION_PRESENT", problem)
    elif column.present < presence.min_count:
        rows = f"{column.present} rows of {split.name}"
        problem = f"has values in {rows}. Expected at least {presence.min_count}."
        yield _finding(name, "FEATURE_TYPE_LOW_NUMBER_PRESENT", problem)
    if isinstance(column, ListColumn) and column.present:
        low, high = feature.value_count.min, feature.value_count.max
        lengths = column.lengths
        if lengths.minimum < low or (high and lengths.maximum > high):
            problem = (
                f"has lists of {lengths.minimum:g} to {lengths.maximum:g} values in {split.name}."
                f" Expected {low} to {high or 'any number'}."
            )
            yield _finding(name, "FEATURE_TYPE_HIGH_NUMBER_VALUES", problem)
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
    own = feature.string_domain if feature.HasField("string_domain") else None
    domain = own or domains.get(feature.domain)
    if domain is None:
        return
    allowed = set(domain.value)
    others = [(v, n) for v, n in column.values.counts if v not in allowed]
    if not others and not column.values.truncated:
        return
    constraints = feature.distribution_constraints
    least = constraints.min_domain_mass if feature.HasField("distribution_constraints") else 1.0
    outside, total = (sum(n for _, n in counts) for counts in (others, column.values.counts))
    problem = f"holds values outside its domain in {split.name}: {listed(others)}."
    severity: Severity = "WARNING" if total and 1 - outside / total >= least else "ERROR"
    yield _finding(feature.name, "ENUM_TYPE_UNEXPECTED_STRING_VALUES", problem, severity)


def _range_findings(
    feature: schema_pb2.Feature, column: NumericColumn, split: SplitStatistics
) -> Iterator[Finding]:
    name, kind = feature.name, "INT" if feature.HasField("int_domain") else "FLOAT"
    domain = feature.int_domain if kind == "INT" else feature.float_domain
    if domain.HasField("min") and column.minimum < domain.min:
        reaches = f"goes down to {column.minimum:g} in {split.name}"
        problem = f"{reaches}. Expected at least {domain.min:g}."
        yield _finding(name, f"{kind}_TYPE_SMALL_{kind}", problem)
    if domain.HasField("max") and column.maximum > domain.max:
        reaches = f"goes up to {column.maximum:g} in {split.name}"
        problem = f"{reaches}. Expected at most {domain.max:g}."
        yield _finding(name, f"{kind}_TYPE_BIG_{kind}", problem)
    if feature.float_domain.disallow_inf and column.infinite:
        problem = f"holds {column.infinite} infinite values in {split.name}. Expected finite ones."
        yield _finding(name, "FLOAT_TYPE_HAS_INF", problem)


def _finding(column: str, kind: str, problem: str, severity: Severity = "ERROR") -> Finding:
    return Finding(column, column, kind, f"column {column!r} {problem}", severity)
