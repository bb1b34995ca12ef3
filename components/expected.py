"""Raw examples beside the Keras model's answers to them: what a served model must answer too.

One Parquet file; columns `input/<name>` and `output/<task>`, a row per example.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_INPUT, _OUTPUT = "input/", "output/"


def write_expected(
    path: Path, raw: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> None:
    """Write the file.

    Args:
        path: the file.
        raw: per input [examples]: float32, or str or bytes (text is stored as UTF-8).
        outputs: per task float32 [examples] or [examples, units].
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {_INPUT + name: _column(values) for name, values in raw.items()}
    columns |= {_OUTPUT + name: _column(values) for name, values in outputs.items()}
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_expected(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read it back: raw inputs (float32, or object arrays of bytes) and outputs (float32)."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    arrays = {name: _array(table.column(name).combine_chunks()) for name in table.column_names}
    return (
        {n.removeprefix(_INPUT): a for n, a in arrays.items() if n.startswith(_INPUT)},
        {n.removeprefix(_OUTPUT): a for n, a in arrays.items() if n.startswith(_OUTPUT)},
    )


def _column(values: np.ndarray) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    if values.dtype.kind in "OSU":
        encoded = [v.encode() if isinstance(v, str) else bytes(v) for v in values.tolist()]
        return pa.array(encoded, pa.binary())
    values = np.ascontiguousarray(values, dtype=np.float32)
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _array(column: pa.Array) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_fixed_size_list(column.type):
        flat: np.ndarray = column.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(column), column.type.list_size)
    array: np.ndarray = column.to_numpy(zero_copy_only=False)
    return array
