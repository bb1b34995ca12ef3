"""`expected.parquet` of an exported model: raw examples and the Keras model's answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import Examples
from components.data.lazy import np, pa, pq

if TYPE_CHECKING:
    from models.inputs.base import Feature

OUTPUT, DETAIL = "output:", "detail:"
EXPECTED_ROWS = 32


def write_expected(
    path: Path,
    raw: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    details: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write examples and answers.

    raw: by input name, [rows] of bytes (strings and images) or float32.
    outputs: by task name, float32 [rows, width]: columns `output:<task>`, lists of `width`.
    details: what else the signature `detailed` answers: columns `detail:<name>`.
    """
    columns = {
        name: pa.array(values.tolist(), pa.binary() if values.dtype == object else pa.float32())
        for name, values in raw.items()
    }
    for task, values in outputs.items():
        flat = pa.array(values.astype("float32").reshape(-1))
        columns[OUTPUT + task] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    for name, values in (details or {}).items():
        columns[DETAIL + name] = pa.array(values.tolist())
    pq.write_table(pa.table(columns), path)


def read_expected(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Raw examples by input name ([rows] object arrays of bytes, or float32), and answers by task
    name (float32 [rows, width]).
    """
    raw: dict[str, np.ndarray] = {}
    outputs: dict[str, np.ndarray] = {}
    table = pq.read_table(path)
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if name.startswith(OUTPUT):
            flat = column.flatten().to_numpy(zero_copy_only=False)
            outputs[name.removeprefix(OUTPUT)] = flat.reshape(len(column), -1)
        elif not name.startswith(DETAIL):
            raw[name] = column.to_numpy(zero_copy_only=False)
    return raw, outputs


def read_details(path: Path) -> dict[str, np.ndarray]:
    """What else the signature `detailed` answers, by name: float64 and bool arrays, and object
    arrays of bytes (names of classes).
    """
    found = {}
    for name in (n for n in pq.read_schema(path).names if n.startswith(DETAIL)):
        column = pq.read_table(path, columns=[name]).column(name)
        kind = object if pa.types.is_binary(column.type) else None
        found[name.removeprefix(DETAIL)] = np.array(column.to_pylist(), kind)
    return found


def first_rows(examples: Examples, features: tuple[Feature, ...]) -> pa.RecordBatch:
    """Up to `EXPECTED_ROWS` of the validation split, or of the training split if that is empty."""
    split = "val" if examples.shards("val") and examples.num_rows("val") else "train"
    columns = list(dict.fromkeys(f.column for f in features))
    shard = next(s for s in examples.shards(split) if pq.read_metadata(s).num_rows)
    return next(pq.ParquetFile(shard).iter_batches(EXPECTED_ROWS, columns=columns))
