"""Parquet files: types come from the file, and ranges of row groups are read separately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from components.data.lazy import pa, pq
from components.ingestion.columns import conform, stored_schema
from components.ingestion.readers.base import BadRecord, Unit, units_between
from components.ingestion.readers.files import FilesReader, reading

UNIT_BYTES = 1 << 27
BATCH_ROWS = 1 << 14


@dataclass(frozen=True, kw_only=True)
class ParquetReader(FilesReader):
    """Parquet. An image may be a binary column or a struct with a `bytes` field."""

    format: Literal["parquet"] = "parquet"
    untyped: ClassVar[str] = "string"

    def file_units(self, base: Path, name: str) -> list[Unit]:
        with _open(base / name) as file:
            groups = range(file.num_row_groups)
            sizes = [file.metadata.row_group(i).total_byte_size for i in groups]
        bounds, unit_size = [0], 0
        for i, size in enumerate(sizes):
            if i > bounds[-1] and unit_size + size > UNIT_BYTES:
                bounds.append(i)
                unit_size = 0
            unit_size += size
        return units_between(base, name, [*bounds, len(sizes)])

    def file_schema(self, file: Path) -> pa.Schema:
        with _open(file) as opened:
            return stored_schema(opened.schema_arrow, file)

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        with _open(unit.file) as file, reading(unit.file):
            stop = file.num_row_groups if unit.stop is None else unit.stop
            for batch in file.iter_batches(BATCH_ROWS, list(range(unit.start, stop))):
                batch.validate(full=True)  # texts must be UTF-8
                yield conform(batch, schema)


def _open(file: Path) -> pq.ParquetFile:
    with reading(file, "is not a Parquet file"):
        # not mapped into memory: the process would be killed if the file was cut in the meantime
        return pq.ParquetFile(file, page_checksum_verification=True)
