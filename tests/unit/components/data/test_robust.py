"""Centre and scale that outliers do not move."""

from __future__ import annotations

import numpy as np
import pytest

from components.data.robust import centre_and_scale, inflation, percentiles_of

RNG = np.random.default_rng(0)


def test_outliers_move_neither_centre_nor_scale() -> None:
    values = RNG.normal(50, 4, 20_000)
    spoilt = np.where(np.arange(len(values)) % 100 == 0, 1000 * values, values)
    centre, scale = centre_and_scale(percentiles_of(spoilt))
    assert centre == pytest.approx(50, abs=0.2)
    assert scale == pytest.approx(4, rel=0.05)
    assert inflation(percentiles_of(values), float(values.std())) == pytest.approx(1, rel=0.05)
    assert inflation(percentiles_of(spoilt), float(spoilt.std())) > 1000


def test_where_most_values_are_equal_the_others_give_the_scale() -> None:
    values = np.concatenate([np.zeros(80), np.arange(1.0, 21.0)])
    centre, scale = centre_and_scale(percentiles_of(values))
    assert (centre, scale > 0) == (0.0, True)
    assert centre_and_scale(percentiles_of(np.full(9, 7.0))) == (7.0, 0.0)
    assert centre_and_scale([]) == (0.0, 0.0)
    assert inflation([], 3.0) == 0.0
