"""Drift from an earlier span, and skew between training and serving: columns that changed.

A threshold comes from the schema, as TensorFlow Data Validation reads it: `drift_comparator` or
`skew_comparator` of a feature, with `infinity_norm` for values and `jensen_shannon_divergence` for
numbers. Exceeding one of those is an error. A feature without one is held to a common threshold,
and exceeding that is a warning.
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
)
from components.validation.anomalies import Finding
from components.validation.distances import jensen_shannon, l_infinity

Shift = Literal["drift", "skew"]
_OTHER = {"drift": "the previous span", "skew": "serving"}


def shift_findings(
    shift: Shift,
    here: SplitStatistics,
    there: SplitStatistics,
    schema: schema_pb2.Schema,
    threshold: float,
) -> Iterator[Finding]:
    """Columns of `here` whose values are distributed otherwise in `there`.

    threshold: of columns for which the schema has none.
    """
    features = {f.name: f for f in schema.feature}
    for name, column in here.columns.items():
        other = there.columns.get(name)
        if other is None or other.kind != column.kind:
            continue  # that is the schema's matter
        feature = features.get(name, schema_pb2.Feature())
        for distance, kind, told in _distances(column, other):
            limit, curated = _limit(feature, shift, kind, threshold)
            if distance > limit:
                yield Finding(
                    subject=name,
                    column=name,
                    severity="ERROR" if curated else "WARNING",
                    type=f"COMPARATOR_{kind}_HIGH",
                    sentence=f"column {name!r} {shift}s from {_OTHER[shift]}: {told}, a distance of"
                    f" {distance:.3g} ({_SPOKEN[kind]}). Expected at most {limit:g}"
                    f"{_HINT.format(shift=shift, norm=_NORMS[kind]) if not curated else ''}.",
                )


_SPOKEN = {"L_INFTY": "L-infinity", "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon, in bits"}
_NORMS = {"L_INFTY": "infinity_norm", "JENSEN_SHANNON_DIVERGENCE": "jensen_shannon_divergence"}
_HINT = "; set {shift}_comparator.{norm}.threshold of its feature in the schema to choose another"


def _distances(a: ColumnStatistics, b: ColumnStatistics) -> Iterator[tuple[float, str, str]]:
    """Distances, their kinds, and what they come from."""
    present = [{"present": c.present, "missing": c.missing} for c in (a, b)]
    missing, _ = l_infinity(*present)
    shares = [c.missing / max(c.present + c.missing, 1) for c in (a, b)]
    yield missing, "L_INFTY", f"missing in {shares[0]:.1%} of rows here and {shares[1]:.1%} there"
    if not a.present or not b.present:
        return
    if isinstance(a, NumericColumn) and isinstance(b, NumericColumn):
        if a.deciles and b.deciles:
            told = f"mean {a.mean:.4g} here and {b.mean:.4g} there"
            yield jensen_shannon(a.deciles, b.deciles), "JENSEN_SHANNON_DIVERGENCE", told
    elif isinstance(a, StringColumn | ListColumn) and isinstance(b, StringColumn | ListColumn):
        if not a.values.truncated and not b.values.truncated:
            yield _values(dict(a.values.counts), dict(b.values.counts))
    elif isinstance(a, TextColumn) and isinstance(b, TextColumn):
        yield _change("words", a.words, b.words)
    elif isinstance(a, ImageColumn) and isinstance(b, ImageColumn):
        yield _change("height", a.heights, b.heights)
        yield _change("width", a.widths, b.widths)
        yield _values(dict(a.formats.counts), dict(b.formats.counts))
        yield _values(dict(a.modes.counts), dict(b.modes.counts))


def _values(a: dict[str, int], b: dict[str, int]) -> tuple[float, str, str]:
    distance, value = l_infinity(a, b)
    shares = [counts.get(value, 0) / max(sum(counts.values()), 1) for counts in (a, b)]
    return distance, "L_INFTY", f"{value!r} is {shares[0]:.1%} here and {shares[1]:.1%} there"


def _change(what: str, a: Range, b: Range) -> tuple[float, str, str]:
    """The change of a mean relative to the larger one."""
    larger = max(abs(a.mean), abs(b.mean))
    change = abs(a.mean - b.mean) / larger if larger else 0.0
    return change, "L_INFTY", f"mean {what} {a.mean:.4g} here and {b.mean:.4g} there"


def _limit(
    feature: schema_pb2.Feature, shift: Shift, kind: str, default: float
) -> tuple[float, bool]:
    """The threshold of a feature, and whether the schema says it."""
    comparator = getattr(feature, f"{shift}_comparator")
    if comparator.HasField(_NORMS[kind]):
        return float(getattr(comparator, _NORMS[kind]).threshold), True
    return default, False
