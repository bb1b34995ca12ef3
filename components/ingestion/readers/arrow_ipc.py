"""Arrow files: Feather version 2 and Arrow IPC, both files and streams."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from components.data.lazy import pa
from components.ingestion.columns import conform, stored_schema
from components.ingestion.readers.base import BadRecord, Unit, units_between
from components.ingestion.readers.files import FilesReader, reading

UNIT_BYTES = 1 << 27
MAGIC = b"ARROW1"
END = b"\xff\xff\xff\xff\0\0\0\0"


@dataclass(frozen=True, kw_only=True)
class ArrowReader(FilesReader):
    """Types come from the file. An image may be a binary column or a struct with `bytes`."""

    format: Literal["arrow"] = "arrow"
    untyped: ClassVar[str] = "string"

    def file_units(self, base: Path, name: str) -> list[Unit]:
        """Ranges of record batches of about `UNIT_BYTES` each; a stream is one unit."""
        opened = _open(base / name)
        if not isinstance(opened, pa.ipc.RecordBatchFileReader) or not opened.num_record_batches:
            return [Unit(str(base), (name,))]
        batches = opened.num_record_batches
        parts = min(batches, -(-(base / name).stat().st_size // UNIT_BYTES))
        return units_between(base, name, (batches * i // parts for i in range(parts + 1)))

    def file_schema(self, file: Path) -> pa.Schema:
        return stored_schema(_open(file).schema, file)

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        opened = _open(unit.file)
        with reading(unit.file):
            is_file = isinstance(opened, pa.ipc.RecordBatchFileReader)
            numbers = range(unit.start, unit.stop or 0)
            for batch in map(opened.get_batch, numbers) if is_file else opened:
                batch.validate(full=True)  # damaged offsets would lead out of the file's memory
                yield conform(batch, schema)
            if not is_file and not _ended(unit.file):
                raise EOFError("the mark at the end of the stream is missing: it is cut off")


def _open(file: Path) -> pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader:
    with reading(file, "is not an Arrow file"):
        # not mapped into memory: the process would be killed if the file was cut in the meantime
        opened = pa.OSFile(str(file))
        if opened.read(len(MAGIC)) == MAGIC:
            return pa.ipc.open_file(opened)
        opened.seek(0)
        return pa.ipc.open_stream(opened)


def _ended(file: Path) -> bool:
    """Whether a stream ends with the mark that says so. Arrow also accepts a stream that ends after
    any batch, which may have lost its rest.
    """
    with open(file, "rb") as opened:
        opened.seek(-min(len(END), file.stat().st_size), os.SEEK_END)
        return opened.read() == END
