"""Parquet files: types come from the file, row groups are read in ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from components.readers.base import BadRecord, Reader, Unit

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class ParquetReader(Reader):
    """Parquet; an image may be a binary column or a struct with a `bytes` field."""

    format: Literal["parquet"] = "parquet"

    def units(self, root: Path) -> list[Unit]:
        raise NotImplementedError

    def schema(self, root: Path) -> pa.Schema:
        raise NotImplementedError

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        raise NotImplementedError
