"""Parquet files: types come from the file, and ranges of row groups are read separately."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from components.data.lazy import pa, pq
from components.ingestion.columns import conform, stored_schema
from components.ingestion.readers.base import BadRecord, Unit, units_between
from components.ingestion.readers.files import FilesReader, reading

UNIT_BYTES = 1 << 27
BATCH_ROWS = 1 << 14
END_BYTES = 8
"""After the footer: its length and the mark of the format."""
PADDING = 100
"""Arrow reads as many bytes more of files by old writers, whose sizes are too small."""


@dataclass(frozen=True, kw_only=True)
class ParquetReader(FilesReader):
    """Parquet. An image may be a binary column or a struct with a `bytes` field."""

    format: Literal["parquet"] = "parquet"
    untyped: ClassVar[str] = "string"

    def file_units(self, base: Path, name: str) -> list[Unit]:
        with _open(base / name) as file:
            metadata = file.metadata
        bounds, unit_size = [0], 0
        for i in range(metadata.num_row_groups):
            size = metadata.row_group(i).total_byte_size
            if i > bounds[-1] and unit_size + size > UNIT_BYTES:
                bounds.append(i)
                unit_size = 0
            unit_size += size
        units = units_between(base, name, [*bounds, metadata.num_row_groups])
        return units if len(units) == 1 else _with_ranges(units, metadata)

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


def _with_ranges(units: Sequence[Unit], metadata: pq.FileMetaData) -> list[Unit]:
    """The units with the bytes of their row groups, and with the footer, which each needs. Without,
    if the footer is damaged: then reading says so.
    """
    size = units[0].file.stat().st_size
    footer = size - metadata.serialized_size - END_BYTES
    found = []
    for unit in units:
        groups = [metadata.row_group(i) for i in range(unit.start, unit.stop or 0)]
        chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
        stop = max(_start(c) + c.total_compressed_size for c in chunks) + PADDING
        rows = min(map(_start, chunks)), min(stop, footer)
        known = 0 < rows[0] < rows[1]
        found.append(replace(unit, ranges=(rows, (footer, size))) if known else unit)
    return found


def _start(chunk: pq.ColumnChunkMetaData) -> int:
    """The first byte of a column's values in a row group."""
    starts = chunk.dictionary_page_offset, chunk.data_page_offset
    return min((start for start in starts if start), default=0)
