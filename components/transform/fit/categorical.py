"""The vocabulary of categories."""

from __future__ import annotations

from components.statistics.column_statistics import NumericColumn, StringColumn
from components.transform.fit.base import InputFit, TrainingColumn
from models.inputs.categorical import CategoricalFeature, CategoricalInput

ROWS_PER_RARE, MAX_RARE = 10_000, 10
"""A value in fewer than one of this many training rows is rare, unless it has this many rows."""


class CategoricalFit(InputFit[CategoricalInput]):
    """The most frequent values of the training split, unless they are hashed or parts of dates."""

    def fit(self, spec: CategoricalInput, training: TrainingColumn) -> CategoricalFeature:
        if spec.buckets is not None or spec.part is not None:
            return CategoricalFeature(
                name=spec.name,
                column=spec.column,
                buckets=spec.buckets,
                part=spec.part,
                date_format=spec.date_format,
            )
        column = training.column
        assert isinstance(column, StringColumn | NumericColumn)
        least = spec.min_rows or min((column.present + column.missing) // ROWS_PER_RARE, MAX_RARE)
        values = tuple(v for v, rows in column.values.counts if v and rows >= least)
        values = values[: spec.max_values]
        return CategoricalFeature(name=spec.name, column=spec.column, vocabulary=values)
