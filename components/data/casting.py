"""Columns as strings or numbers."""

from __future__ import annotations

from components.data.lazy import np, pa, pc
from models.values import text_of


def is_number(kind: pa.DataType) -> bool:
    """Whether it is an Arrow type of integers, floats or booleans."""
    types = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return any(fits(kind) for fits in types)


def texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Values as strings by `models.values.text_of`; null and NaN become null.

    Only distinct values are converted in Python, so the cost does not grow with the rows.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    types = (pa.types.is_string, pa.types.is_integer, pa.types.is_null)
    if any(fits(array.type) for fits in types):
        return array.cast(pa.string())
    codes = array.dictionary_encode()
    values = [None if v != v else text_of(v) for v in codes.dictionary.to_pylist()]
    return pa.array(values, pa.string()).take(codes.indices)


def numbers(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A numeric or boolean column as the nearest float64 values; null becomes NaN.

    Raises:
        pa.ArrowInvalid: the column holds text that is not a number.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    exact = not pa.types.is_integer(array.type)
    return np.asarray(pc.fill_null(array.cast(pa.float64(), safe=exact), np.nan))
