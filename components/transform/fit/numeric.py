"""Mean and standard deviation of numbers, and the boundaries of their bins."""

from __future__ import annotations

from dataclasses import replace

from components.data.lazy import np
from components.data.robust import centre_and_scale, inflation
from components.errors import RootstockError
from components.statistics.column_statistics import NumericColumn
from components.transform.fit.base import InputFit, TrainingColumn
from models.inputs.numeric import NumericFeature, NumericInput

LIMIT = 10.0
"""Times the robust scale; a larger standard deviation is due to outliers, and larger values are
compressed.
"""
BINS = 48
"""Bins of a column of many values. One of at most twice as many values has them all as knots."""
ROWS_PER_BIN = 64
"""Training rows per bin on average, at least: tables of few rows get fewer bins."""


class NumericFit(InputFit[NumericInput]):
    def fit(self, spec: NumericInput, training: TrainingColumn) -> NumericFeature:
        column = training.column
        assert isinstance(column, NumericColumn)
        if spec.bins is not None:
            boundaries = _boundaries(spec, column) if isinstance(spec.bins, int) else spec.bins
            return NumericFeature(
                name=spec.name, column=spec.column, mean=0.0, deviation=1.0, boundaries=boundaries
            )
        feature = _standardising(spec, column)
        knots = standardised(feature, knots_of(column))
        return replace(feature, knots=tuple(float(k) for k in np.unique(knots)))


def _standardising(spec: NumericInput, column: NumericColumn) -> NumericFeature:
    if not spec.log and _has_outliers(column):
        centre, scale = centre_and_scale(column.percentiles)
        return NumericFeature(
            name=spec.name, column=spec.column, mean=centre, deviation=scale, limit=LIMIT
        )
    deviation = column.log_deviation if spec.log else column.deviation
    return NumericFeature(
        name=spec.name,
        column=spec.column,
        mean=column.log_mean if spec.log else column.mean,
        deviation=deviation or 1.0,
        log=spec.log,
    )


def standardised(feature: NumericFeature, values: np.ndarray) -> np.ndarray:
    """What preprocessing makes of numbers, float32, except for rounding errors."""
    if feature.log:
        values = np.sign(values) * np.log1p(np.abs(values))
    scaled = (values - feature.mean) / feature.deviation
    if feature.limit:
        beyond = np.maximum(np.abs(scaled) - feature.limit, 0.0)
        compressed = np.sign(scaled) * (feature.limit + np.log1p(beyond))
        scaled = np.where(beyond > 0, compressed, scaled)
    return np.asarray(scaled, np.float32)


def knots_of(column: NumericColumn) -> np.ndarray:
    """Ends of bins, float64 [knots], ascending, at least two.

    All values if they are few; else those at equal steps of rank. Where one value is so frequent
    that most steps end on it, it is a knot, and the steps are those of the others.
    """
    values, counts = _values(column)
    bins = int(np.clip(column.present // ROWS_PER_BIN, 1, BINS))
    if len(values) > 2 * bins:
        knots = _at_equal_steps(values, counts, bins)
        if len(knots) < bins / 2:
            mode = np.argmax(counts)
            others = np.delete(values, mode), np.delete(counts, mode)
            knots = np.union1d(values[mode], _at_equal_steps(*others, bins))
        values = knots
    return values if len(values) > 1 else np.array([*values, *values + 1] or [0.0, 1.0])


def _values(column: NumericColumn) -> tuple[np.ndarray, np.ndarray]:
    """Ascending values and their counts; the percentiles if there were too many to count."""
    pairs = column.values.counts
    if column.type == "bool" or not pairs:
        return np.unique(np.array(column.percentiles, np.float64), return_counts=True)
    values, counts = (np.array(x, np.float64) for x in zip(*pairs, strict=True))
    finite = np.isfinite(values)
    order = np.argsort(values[finite], kind="stable")
    return values[finite][order], counts[finite][order]


def _at_equal_steps(values: np.ndarray, counts: np.ndarray, bins: int) -> np.ndarray:
    after = np.cumsum(counts)
    places = np.searchsorted(after, np.linspace(0, after[-1], bins + 1))
    return np.unique(values[np.minimum(places, len(values) - 1)])


def _has_outliers(column: NumericColumn) -> bool:
    """Whether the middle half would be squeezed into a tenth of a unit. Columns whose middle half
    is one value, such as mostly zeros, have no scale of their own.
    """
    half = column.percentiles[75] - column.percentiles[25] if column.percentiles else 0.0
    return half > 0 and inflation(column.percentiles, column.deviation) > LIMIT


def _boundaries(spec: NumericInput, column: NumericColumn) -> tuple[float, ...]:
    """At about equal steps of rank, each a value of the training split, so that no bin is empty."""
    assert isinstance(spec.bins, int)
    steps = np.ceil(np.linspace(0, 100, spec.bins + 1)[1:-1]).astype(np.int64)
    percentiles = np.array(column.percentiles or (0.0,) * 101, np.float32)
    values = np.unique(percentiles[steps])
    boundaries = tuple(float(v) for v in values if v > np.float32(column.minimum))
    if not boundaries:
        raise RootstockError(
            f"inputs.{spec.name}: column {spec.column!r} cannot be put into `bins`: too many rows"
            f" hold its smallest value, {column.minimum:g}. Leave `bins` out, or give the"
            " boundaries."
        )
    return boundaries
