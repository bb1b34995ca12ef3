"""Avro files: types come from the schema in each file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.data.lazy import pa
from components.data.raw_files import open_regular
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Unit
from components.ingestion.readers.files import WHOLE, FilesReader, reading
from components.ingestion.readers.records import Record, batches

_TYPES = {name: name for name in ("null", "float", "double", "string")}
_TYPES |= {"boolean": "bool", "int": "int64", "long": "int64"}
_TYPES |= {"enum": "string", "bytes": "binary", "fixed": "binary"}
_LOGICAL = {"decimal": "double", "uuid": "string"}


@dataclass(frozen=True, kw_only=True)
class AvroReader(FilesReader):
    """Records of numbers, text, bytes and lists of these. Logical dates and times become text."""

    format: Literal["avro"] = "avro"

    def file_schema(self, file: Path) -> pa.Schema:
        import fastavro

        # of damaged bytes, fastavro raises nearly anything
        with reading(file, "is not an Avro file", Exception), open_regular(file) as opened:
            schema: Any = fastavro.reader(opened).writer_schema
        if not isinstance(schema, dict) or schema["type"] != "record":
            raise RootstockError(f"{file}: has no records. Expected an Avro file of records.")
        fields = []
        for field in schema["fields"]:
            kind = _arrow_type(field["type"])
            if kind is None:
                raise RootstockError(
                    f"{file}: field {field['name']!r} is {field['type']}, which examples cannot"
                    " store. Expected numbers, text, bytes, dates or lists of these."
                )
            fields.append((field["name"], kind))
        if not fields:
            raise RootstockError(f"{file}: its records have no fields. {WHOLE}")
        return pa.schema(fields)

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        yield from batches(_records(unit.file), schema, unit.files[0], "record")


def _records(file: Path) -> Iterator[Record]:
    """The records, block by block, so that what a block does not account for is noticed."""
    import fastavro

    position = 0
    try:
        with open_regular(file) as opened:
            end = None
            for block in fastavro.block_reader(opened):
                for values in block:
                    position += 1
                    assert isinstance(values, dict)
                    yield Record(position, values)
                if block.bytes_.read(1):
                    raise ValueError("a block has more bytes than records")
                end = block.offset + block.size
            if end not in (None, os.fstat(opened.fileno()).st_size):
                raise ValueError("bytes follow the last block")
    except Exception as e:  # of damaged bytes, fastavro raises nearly anything
        raise RootstockError(
            f"{file}: cannot be read after record {position}: {e!r}. {WHOLE}"
        ) from e


def _arrow_type(avro_type: Any) -> pa.DataType | None:
    """The Arrow type of an Avro type; None if examples cannot store it."""
    if isinstance(avro_type, list):  # a union: one type, or null
        kinds = [k for k in map(_arrow_type, avro_type) if k != pa.null()]
        return kinds[0] if len(kinds) == 1 else None
    if not isinstance(avro_type, dict):
        return pa.type_for_alias(_TYPES[avro_type]) if avro_type in _TYPES else None
    if avro_type["type"] == "array":
        inner = _arrow_type(avro_type["items"])
        return None if inner is None or pa.types.is_list(inner) else pa.list_(inner)
    if "logicalType" in avro_type:
        return pa.type_for_alias(_LOGICAL.get(avro_type["logicalType"], "string"))
    return _arrow_type(avro_type["type"])
