"""Parquet files: types come from the file, row groups are read in ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.data.arrow import pa, pq
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Reader, Unit
from components.ingestion.readers.files import listing
from components.ingestion.readers.types import conform, plain_schema, union

UNIT_BYTES = 1 << 27
BATCH_ROWS = 1 << 14


@dataclass(frozen=True, kw_only=True)
class ParquetReader(Reader):
    """Parquet; an image may be a binary column or a struct with a `bytes` field."""

    format: Literal["parquet"] = "parquet"

    def units(self, root: Path) -> list[Unit]:
        base, names = listing(root)
        found = []
        for name in names:
            with _opened(base / name) as file:
                sizes = [
                    file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)
                ]
            start, size = 0, 0
            for i, more in enumerate(sizes):
                if i > start and size + more > UNIT_BYTES:
                    found.append(Unit(str(base), (name,), start, i))
                    start, size = i, 0
                size += more
            found.append(Unit(str(base), (name,), start, len(sizes)))
        return found

    def schema(self, root: Path) -> pa.Schema:
        base, names = listing(root)
        schemas = []
        for name in names:
            with _opened(base / name) as file:
                schemas.append((str(base / name), plain_schema(file.schema_arrow, base / name)))
        return union(schemas)

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        with _opened(Path(unit.root, *unit.files)) as file:
            stop = file.num_row_groups if unit.stop is None else unit.stop
            groups = list(range(unit.start, stop))
            try:
                for batch in file.iter_batches(BATCH_ROWS, groups):
                    yield conform(batch, schema)
            except (pa.ArrowException, OSError) as e:
                raise RootstockError(f"{Path(unit.root, *unit.files)}: cannot be read: {e}") from e


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, memory_map=True)
    except (pa.ArrowException, OSError) as e:
        raise RootstockError(f"{file}: is not a Parquet file: {e}") from e
