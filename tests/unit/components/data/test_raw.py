from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from components.data.raw import raw_inputs
from components.errors import RootstockError
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.text import TextFeature

FEATURES = (
    ImageFeature(name="p", column="image", height=1, width=1, channels=3),
    TextFeature(name="t", column="text", length=2, vocabulary=()),
    NumericFeature(name="n", column="number", mean=0.0, deviation=1.0),
    CategoricalFeature(name="c", column="code", vocabulary=()),
)
ROWS = pa.table(
    {
        "image": pa.array([b"png", None]),
        "text": ["a b", None],
        "number": [2, None],
        "code": [7.0, None],
    }
)


@pytest.mark.parametrize("rows", [ROWS, ROWS.to_batches()[0]])
def test_missing_values_become_nan_or_empty_strings(rows: pa.Table | pa.RecordBatch) -> None:
    raw = raw_inputs(rows, FEATURES)
    assert list(raw["p"]) == [b"png", b""]
    assert list(raw["t"]) == ["a b", ""]
    assert list(raw["c"]) == ["7", ""]
    assert raw["n"].dtype == np.float32
    np.testing.assert_array_equal(raw["n"], [2, np.nan])


def test_unsuitable_columns_are_explained() -> None:
    numeric = NumericFeature(name="n", column="text", mean=0.0, deviation=1.0)
    with pytest.raises(RootstockError, match=r"input 'n' is numeric, but its column 'text'"):
        raw_inputs(ROWS, [numeric])
    absent = NumericFeature(name="n", column="nubmer", mean=0.0, deviation=1.0)
    with pytest.raises(RootstockError, match=r"no column 'nubmer'\. Columns there: image, text"):
        raw_inputs(ROWS, [absent])
