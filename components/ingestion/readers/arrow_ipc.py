"""Arrow files: Feather version 2 and Arrow IPC, both files and streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from components.data.arrow import pa
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Reader, Unit
from components.ingestion.readers.files import listing
from components.ingestion.readers.types import conform, plain_schema, union

UNIT_BYTES = 1 << 27
MAGIC = b"ARROW1"


@dataclass(frozen=True, kw_only=True)
class ArrowReader(Reader):
    """Types come from the file; an image may be a binary column or a struct with `bytes`."""

    format: Literal["arrow"] = "arrow"

    def units(self, root: Path) -> list[Unit]:
        base, names = listing(root)
        return [unit for name in names for unit in _units(base, name)]

    def schema(self, root: Path) -> pa.Schema:
        base, names = listing(root)
        return union(
            [(str(base / n), plain_schema(_opened(base / n).schema, base / n)) for n in names]
        )

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        file = Path(unit.root, *unit.files)
        opened = _opened(file)
        try:
            if isinstance(opened, pa.ipc.RecordBatchFileReader):
                stop = opened.num_record_batches if unit.stop is None else unit.stop
                for i in range(unit.start, stop):
                    yield conform(opened.get_batch(i), schema)
            else:
                for batch in opened:
                    yield conform(batch, schema)
        except (pa.ArrowException, OSError) as e:
            raise RootstockError(f"{file}: cannot be read: {e}") from e


def _units(base: Path, name: str) -> list[Unit]:
    """Ranges of record batches of about `UNIT_BYTES` of the file each; a stream is one unit."""
    opened = _opened(base / name)
    if not isinstance(opened, pa.ipc.RecordBatchFileReader) or not opened.num_record_batches:
        return [Unit(str(base), (name,))]
    batches = opened.num_record_batches
    parts = min(batches, -(-(base / name).stat().st_size // UNIT_BYTES))
    bounds = [batches * i // parts for i in range(parts + 1)]
    return [Unit(str(base), (name,), a, b) for a, b in pairwise(bounds)]


def _opened(file: Path) -> pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader:
    try:
        mapped = pa.memory_map(str(file))
        if mapped.read(len(MAGIC)) == MAGIC:
            return pa.ipc.open_file(mapped)
        mapped.seek(0)
        return pa.ipc.open_stream(mapped)
    except (pa.ArrowException, OSError) as e:
        raise RootstockError(f"{file}: is not an Arrow file: {e}") from e
