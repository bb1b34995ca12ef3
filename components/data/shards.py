"""Reading and writing shards of examples, which are Parquet files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from components.data.atomic import new_beside
from components.data.lazy import pa, pq

BATCH_ROWS = 1024
GROUP_ROWS = 1 << 16
GROUP_BYTES = 1 << 25


def linked(source: Path, target: Path) -> None:
    """Give a file a second name; copy it if the file system has no hard links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def batches_of(shard: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a shard in order, one row group at a time."""
    with pq.ParquetFile(shard) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group).to_batches()


def small_batches(shard: Path, columns: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a shard, `BATCH_ROWS` rows at a time."""
    with pq.ParquetFile(shard) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(columns)))


class ShardWriter:
    """Collects batches into row groups. The file appears when it is closed."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self._new = new_beside(file)
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows == 0:
            return
        self._waiting.append(batch)
        self._bytes += batch.get_total_buffer_size()
        self.rows += batch.num_rows
        if self._bytes >= GROUP_BYTES or sum(b.num_rows for b in self._waiting) >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Make the file appear; there is none if it would have no rows."""
        if self.rows:
            self._flush()
            assert self._writer is not None
            self._writer.close()
            self._new.replace(self._file)

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._new, self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_batches(self._waiting), row_group_size=GROUP_ROWS)
        self._waiting, self._bytes = [], 0
