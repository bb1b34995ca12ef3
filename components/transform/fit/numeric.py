"""Mean and standard deviation of numbers, or the boundaries of their bins."""

from __future__ import annotations

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


class NumericFit(InputFit[NumericInput]):
    def fit(self, spec: NumericInput, training: TrainingColumn) -> NumericFeature:
        column = training.column
        assert isinstance(column, NumericColumn)
        if spec.bins is not None:
            boundaries = _boundaries(spec, column) if isinstance(spec.bins, int) else spec.bins
            return NumericFeature(
                name=spec.name, column=spec.column, mean=0.0, deviation=1.0, boundaries=boundaries
            )
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
