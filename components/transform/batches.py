"""Reading and writing `Batches`: preprocessed columns in Arrow files, as memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from components.artifacts import SPLITS, Batches
from components.data.lazy import np, pa
from models.experts.margins import Margins
from models.inputs.base import Stored
from models.inputs.representation import BLOCKS, REPRESENTATION, Blocks, Representation

_COUNTED = 1 << 16
"""Number of rows whose tokens are counted at a time."""


def shards(batches: Batches, split: str) -> list[Path]:
    """The files of a split, in the order of their rows."""
    return sorted((batches.path / split).glob("*.arrow"))


def num_rows(file: Path) -> int:
    with pa.memory_map(str(file)) as mapped:
        return int(pa.ipc.open_file(mapped).get_batch(0).num_rows)


def stored_representation(embeddings: Batches) -> Representation:
    """The column of the Embed stage that heads read, for `load_columns`."""
    return Representation(width=_schema(embeddings).field(REPRESENTATION).type.list_size)


def stored_blocks(embeddings: Batches) -> Blocks | None:
    """The column of the Embed stage that linear experts read; None without one."""
    schema = _schema(embeddings)
    if BLOCKS not in schema.names:
        return None
    return Blocks(width=schema.field(BLOCKS).type.list_size)


def stored_margins(margins: Batches) -> Margins:
    """The column that the Experts stage wrote, for `load_columns`."""
    (column,) = _schema(margins)
    return Margins(width=column.type.list_size)


def _schema(batches: Batches) -> pa.Schema:
    file = next(f for split in SPLITS for f in shards(batches, split))
    with pa.memory_map(str(file)) as mapped:
        return pa.ipc.open_file(mapped).schema


class ShardedRows:
    """An array [rows, …] over several memory-mapped shards; indexing reads only those rows."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self.shape = (int(self._starts[-1]), *parts[0].shape[1:])
        self.dtype = parts[0].dtype
        self.nbytes = sum(part.nbytes for part in parts)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        result = np.empty((len(rows), *self.shape[1:]), self.dtype)
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        for shard in np.unique(shards):
            here = shards == shard
            result[here] = self._parts[shard][rows[here] - self._starts[shard]]
        return result


def open_columns(
    batches: Batches, split: str, features: tuple[Stored, ...], most_bytes: int
) -> dict[str, np.ndarray | ShardedRows]:
    """As `load_columns`, but shards are not joined if the split has more than `most_bytes`."""
    parts = [read_shard(file, features) for file in shards(batches, split)]
    size = sum(column.nbytes for part in parts for column in part.values())
    if len(parts) < 2 or size <= most_bytes:
        return {**_joined(parts, features)}
    return {f.name: ShardedRows([part[f.name] for part in parts]) for f in features}


def load_columns(
    batches: Batches, split: str, features: tuple[Stored, ...]
) -> dict[str, np.ndarray]:
    """Arrays [rows, …] by feature name, with the shapes and dtypes that the features state.

    A split of one shard is not copied: its arrays are read-only views of the file.
    """
    return _joined([read_shard(file, features) for file in shards(batches, split)], features)


def _joined(
    parts: Sequence[dict[str, np.ndarray]], features: tuple[Stored, ...]
) -> dict[str, np.ndarray]:
    if len(parts) == 1:
        return parts[0]
    joined = {}
    for feature in features:
        empty = np.empty((0, *feature.shape), row_dtype(feature))
        joined[feature.name] = np.concatenate([empty, *(p[feature.name] for p in parts)])
    return joined


def read_shard(file: Path, features: tuple[Stored, ...]) -> dict[str, np.ndarray]:
    """Views of one memory-mapped file, which holds one record batch."""
    with pa.memory_map(str(file)) as mapped:
        batch = pa.ipc.open_file(mapped).get_batch(0)
    columns = {}
    for feature in features:
        column = batch.column(feature.name)
        if feature.dtype == "string":
            columns[feature.name] = column.to_numpy(zero_copy_only=False)
        else:
            values = np.frombuffer(column.buffers()[-1], row_dtype(feature))
            columns[feature.name] = values.reshape(len(column), *feature.shape)
    return columns


def write_shard(file: Path, columns: dict[str, np.ndarray], features: tuple[Stored, ...]) -> None:
    """Write preprocessed features [rows, …] as one record batch of fixed-size columns."""
    arrays = []
    for feature in features:
        if feature.dtype == "string":
            arrays.append(pa.array(columns[feature.name], pa.large_binary()))
            continue
        values = np.ascontiguousarray(columns[feature.name], row_dtype(feature))
        column = pa.array(values.reshape(-1))
        if feature.shape:
            column = pa.FixedSizeListArray.from_arrays(column, int(np.prod(feature.shape)))
        arrays.append(column)
    batch = pa.RecordBatch.from_arrays(arrays, [f.name for f in features])
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def row_dtype(feature: Stored) -> np.dtype:
    return np.dtype(object if feature.dtype == "string" else feature.dtype)


def token_counts(
    columns: Mapping[str, np.ndarray | ShardedRows], features: Sequence[Stored]
) -> np.ndarray:
    """int64 [rows]: the number of tokens in all texts of each row, without padding."""
    rows = len(next(iter(columns.values())))
    counts = np.zeros(rows, np.int64)
    for feature in features:
        if feature.padding is not None:
            for start in range(0, rows, _COUNTED):
                part = slice(start, start + _COUNTED)
                present = columns[feature.name][part] != feature.padding
                counts[part] += present.reshape(len(present), -1).sum(axis=1)
    return counts
