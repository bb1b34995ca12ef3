"""Drift from an earlier span, and skew between training and serving data.

A threshold comes from the schema, as TensorFlow Data Validation reads it: `drift_comparator` or
`skew_comparator` of a feature, with `infinity_norm` for values and `jensen_shannon_divergence` for
numbers. Exceeding such a threshold is an error. Features without one have a common threshold;
exceeding that is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tensorflow_metadata.proto.v0 import schema_pb2

from components.statistics.column_statistics import (
    ColumnStatistics,
    ImageColumn,
    ListColumn,
    NumericColumn,
    Range,
    SplitStatistics,
    StringColumn,
    TextColumn,
    ValueCounts,
)
from components.statistics.distances import jensen_shannon, l_infinity
from components.validation.anomalies import Finding, Severity

Shift = Literal["drift", "skew"]
_OTHER = {"drift": "the previous span", "skew": "serving"}


def shift_findings(
    shift: Shift,
    current: SplitStatistics,
    reference: SplitStatistics,
    schema: schema_pb2.Schema,
    threshold: float,
) -> Iterator[Finding]:
    """Columns whose distribution differs from the reference.

    current: of the training split. reference: of the previous span, or of serving.
    threshold: for columns without a threshold in the schema.
    """
    features = {f.name: f for f in schema.feature}
    for name, column in current.columns.items():
        other = reference.columns.get(name)
        if other is None or other.kind != column.kind:
            continue  # the schema checks report it
        feature = features.get(name, schema_pb2.Feature())
        for distance, kind, cause in _distances(column, other):
            comparator = getattr(feature, f"{shift}_comparator")
            curated = comparator.HasField(_NORMS[kind])
            limit = getattr(comparator, _NORMS[kind]).threshold if curated else threshold
            if distance > limit:
                hint = "" if curated else _HINT.format(shift=shift, norm=_NORMS[kind])
                sentence = (
                    f"column {name!r} {shift}s from {_OTHER[shift]}: {cause}: a distance of"
                    f" {distance:.3g} ({_NAMES[kind]}). Expected at most {limit:g}{hint}."
                )
                severity: Severity = "ERROR" if curated else "WARNING"
                yield Finding(name, name, f"COMPARATOR_{kind}_HIGH", sentence, severity)


_NAMES = {"L_INFTY": "L-infinity", "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon, in bits"}
_NORMS = {"L_INFTY": "infinity_norm", "JENSEN_SHANNON_DIVERGENCE": "jensen_shannon_divergence"}
_HINT = "; set {shift}_comparator.{norm}.threshold of its feature in the schema to choose another"


def _distances(a: ColumnStatistics, b: ColumnStatistics) -> Iterator[tuple[float, str, str]]:
    """Distances, their kinds, and their causes in words."""
    ours, theirs = (c.missing / max(c.present + c.missing, 1) for c in (a, b))
    missing, _ = l_infinity(*({"present": c.present, "missing": c.missing} for c in (a, b)))
    yield missing, "L_INFTY", f"missing in {ours:.1%} of rows, against {theirs:.1%}"
    if not a.present or not b.present:
        return
    if isinstance(a, NumericColumn) and isinstance(b, NumericColumn):
        if a.deciles and b.deciles:
            cause = f"mean {a.mean:.4g}, against {b.mean:.4g}"
            yield jensen_shannon(a.deciles, b.deciles), "JENSEN_SHANNON_DIVERGENCE", cause
    elif isinstance(a, StringColumn | ListColumn) and isinstance(b, StringColumn | ListColumn):
        if not a.values.truncated and not b.values.truncated:
            yield _values(a.values, b.values)
    elif isinstance(a, TextColumn) and isinstance(b, TextColumn):
        yield _change("words", a.words, b.words)
    elif isinstance(a, ImageColumn) and isinstance(b, ImageColumn):
        yield _change("height", a.heights, b.heights)
        yield _change("width", a.widths, b.widths)
        yield _values(a.formats, b.formats)
        yield _values(a.modes, b.modes)


def _values(a: ValueCounts, b: ValueCounts) -> tuple[float, str, str]:
    both = dict(a.counts), dict(b.counts)
    distance, value = l_infinity(*both)
    ours, theirs = (counts.get(value, 0) / max(sum(counts.values()), 1) for counts in both)
    return distance, "L_INFTY", f"{value!r} is {ours:.1%} of values, against {theirs:.1%}"


def _change(what: str, a: Range, b: Range) -> tuple[float, str, str]:
    """The change of a mean relative to the larger one."""
    larger = max(abs(a.mean), abs(b.mean))
    change = abs(a.mean - b.mean) / larger if larger else 0.0
    return change, "L_INFTY", f"mean {what} {a.mean:.4g}, against {b.mean:.4g}"
