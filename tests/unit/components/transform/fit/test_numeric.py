from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.artifacts import Examples
from components.statistics.accumulators import accumulator as accumulator_of
from components.statistics.column_statistics import NumericColumn
from components.transform.fit.base import TrainingColumn
from components.transform.fit.numeric import BINS, ROWS_PER_BIN, NumericFit, knots_of
from models.inputs.encodings import Words
from models.inputs.layers.preprocessing import Preprocessing
from models.inputs.numeric import NumericFeature, NumericInput
from models.lazy import tf


def column_of(values: object) -> NumericColumn:
    array = pa.array(values)
    accumulator = accumulator_of(pa.field("x", array.type), image=False, text=False)
    accumulator.add(array)
    column = accumulator.result()
    assert isinstance(column, NumericColumn)
    return column


def fitted(values: object, **options: bool) -> NumericFeature:
    spec = NumericInput(name="x", column="x", **options)
    training = TrainingColumn(column_of(values), Examples(Path()), (), Words())
    return NumericFit().fit(spec, training)


def test_a_column_of_few_values_has_them_all_as_knots() -> None:
    values = np.repeat([7, 3, 5, 100], [500, 1, 30, 2])
    assert knots_of(column_of(values)).tolist() == [3, 5, 7, 100]


def test_a_column_of_many_values_has_bins_of_equally_many_rows() -> None:
    values = np.random.default_rng(0).lognormal(size=5000)
    knots = knots_of(column_of(values))
    assert len(knots) == BINS + 1
    assert (knots[0], knots[-1]) == (values.min(), values.max())
    rows = np.histogram(values, knots)[0]
    assert abs(rows - 5000 / BINS).max() <= 2


def test_a_value_that_rules_leaves_bins_to_the_others() -> None:
    others = np.random.default_rng(0).uniform(1, 2, 2000)
    knots = knots_of(column_of(np.concatenate([np.zeros(8000), others])))
    assert knots[0] == 0
    assert len(knots) == BINS + 2
    rows = np.histogram(others, knots[1:])[0]
    assert abs(rows - 2000 / BINS).max() <= 2


def test_values_that_are_too_many_to_count_have_their_percentiles() -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    column = column_of(values)
    assert not column.values.counts
    rows = np.histogram(values, knots_of(column))[0]
    assert len(rows) == BINS
    assert rows.min() > 150


def test_small_tables_have_few_bins() -> None:
    values = np.random.default_rng(0).normal(size=20 * ROWS_PER_BIN)
    assert len(knots_of(column_of(values))) == 21


@pytest.mark.parametrize("values", [[None, None, 1.0], [4.0] * 9, [True, True], [0] * 20])
def test_columns_of_one_value_have_one_bin(values: list[object]) -> None:
    low, high = knots_of(column_of(values))
    assert low < high


def test_a_column_without_values_has_a_bin() -> None:
    assert knots_of(column_of(pa.array([None, None], pa.float64()))).tolist() == [0, 1]


@pytest.mark.parametrize("options", [{}, {"log": True}], ids=["plain", "log"])
@pytest.mark.parametrize("outlier", [0.0, 1e7], ids=["", "outlier"])
def test_knots_are_preprocessed_as_numbers_are(options: dict[str, bool], outlier: float) -> None:
    values = np.arange(20, dtype=np.float32) ** 2
    values[-1] += np.float32(outlier)
    feature = fitted(np.repeat(values, 60), **options)
    assert len(feature.knots) == len(values)
    raw = tf.constant([*values, np.nan], tf.float32)
    found = Preprocessing((feature,))({"x": raw})["x"].numpy()
    np.testing.assert_allclose(found[:-1], feature.knots, rtol=1e-5, atol=1e-6)
    assert np.isnan(found[-1])


def test_bins_of_the_spec_need_no_knots() -> None:
    spec = NumericInput(name="x", column="x", bins=(1.0, 2.0))
    column = TrainingColumn(column_of([1.0, 3.0]), Examples(Path()), (), Words())
    feature = NumericFit().fit(spec, column)
    assert (feature.knots, feature.ids) == ((), 5)
