"""Reads a whole source, for tests of readers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from components.ingestion.readers import Reader
from components.ingestion.readers.base import BadRecord


def read(reader: Reader) -> tuple[pa.Table, list[BadRecord]]:
    """The rows and bad records of a source, in order."""
    root = Path(reader.path)
    schema = reader.schema(root)
    batches: list[pa.RecordBatch] = []
    bad: list[BadRecord] = []
    for unit in reader.units(root):
        for item in reader.read(unit, schema):
            if isinstance(item, BadRecord):
                bad.append(item)
            else:
                batches.append(item)
    return pa.Table.from_batches(batches, schema), bad
