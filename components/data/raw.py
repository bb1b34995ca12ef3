"""Raw columns as a model takes them, in training, in evaluation and in a served request."""

from __future__ import annotations

from collections.abc import Iterable

from components.data.casting import numbers, texts
from components.data.lazy import np, pa, pc
from components.errors import RootstockError
from models.inputs.base import Feature, Input


def raw_inputs(
    rows: pa.Table | pa.RecordBatch, features: Iterable[Feature | Input]
) -> dict[str, np.ndarray]:
    """Raw tensors by feature name: [rows] object arrays of bytes or str, or float32 for numbers.

    A missing string is "", a missing number is NaN.

    Raises:
        RootstockError: a column is missing, or the feature cannot read its type.
    """
    return {f.name: _raw(rows, f) for f in features}


def _raw(rows: pa.Table | pa.RecordBatch, feature: Feature | Input) -> np.ndarray:
    if feature.column not in rows.schema.names:
        raise RootstockError(
            f"input {feature.name!r}: no column {feature.column!r}."
            f" Columns there: {', '.join(rows.schema.names)}."
        )
    column = rows.column(feature.column)
    try:
        if feature.raw == "number":
            return numbers(column).astype(np.float32)
        is_bytes = feature.raw == "bytes"
        values = column.cast(pa.binary()) if is_bytes else texts(column)
        filled = pc.fill_null(values, b"" if is_bytes else "")
        return np.asarray(filled.to_numpy(zero_copy_only=False), object)
    except pa.ArrowException as e:
        raise RootstockError(
            f"input {feature.name!r} is {feature.kind}, but its column {feature.column!r} holds"
            f" {column.type} values: {e}"
        ) from e
