"""Mean and standard deviation of numbers, or the boundaries of their bins."""

from __future__ import annotations

from components.data.lazy import np
from components.errors import RootstockError
from components.statistics.column_statistics import NumericColumn
from components.transform.fit.base import InputFit, TrainingColumn
from models.inputs.numeric import NumericFeature, NumericInput


class NumericFit(InputFit[NumericInput]):
    def fit(self, spec: NumericInput, training: TrainingColumn) -> NumericFeature:
        column = training.column
        assert isinstance(column, NumericColumn)
        if spec.bins is not None:
            boundaries = _boundaries(spec, column) if isinstance(spec.bins, int) else spec.bins
            return NumericFeature(
                name=spec.name, column=spec.column, mean=0.0, deviation=1.0, boundaries=boundaries
            )
        deviation = column.log_deviation if spec.log else column.deviation
        return NumericFeature(
            name=spec.name,
            column=spec.column,
            mean=column.log_mean if spec.log else column.mean,
            deviation=deviation or 1.0,
            log=spec.log,
        )


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
