from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from components.data.casting import numbers, texts


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["a", None, ""], pa.string(), ["a", None, ""]),
        ([1, None, -3], pa.int64(), ["1", None, "-3"]),
        ([1.0, float("nan"), 0.5, None], pa.float64(), ["1", None, "0.5", None]),
        ([1e20, 1e-7], pa.float64(), ["100000000000000000000", "1e-07"]),
        ([True, None, False], pa.bool_(), ["true", None, "false"]),
        ([None, None], pa.null(), [None, None]),
    ],
)
def test_values_as_labels_and_categories_are_compared(
    values: list[object], kind: pa.DataType, expected: list[str | None]
) -> None:
    assert texts(pa.array(values, kind)).to_pylist() == expected
    assert texts(pa.chunked_array([pa.array(values, kind)] * 2)).to_pylist() == expected * 2


def test_numbers_have_nan_for_missing() -> None:
    np.testing.assert_array_equal(numbers(pa.array([1, None])), [1, np.nan])
    np.testing.assert_array_equal(numbers(pa.array([True, False, None])), [1, 0, np.nan])
    assert numbers(pa.chunked_array([pa.array([0.5], pa.float32())])).dtype == np.float64
    identity = 1790433748079019981
    assert numbers(pa.array([identity, None]))[0] == float(identity)
    with pytest.raises(pa.ArrowInvalid):
        numbers(pa.array(["x"]))
