"""Avro files: types come from the schema that each file carries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.data.arrow import pa
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Reader, Unit
from components.ingestion.readers.files import listing
from components.ingestion.readers.records import Record, batches
from components.ingestion.readers.types import union

_TYPES = {
    "null": "null",
    "boolean": "bool",
    "int": "int64",
    "long": "int64",
    "float": "float",
    "double": "double",
    "string": "string",
    "enum": "string",
    "bytes": "binary",
    "fixed": "binary",
}
_LOGICAL = {"decimal": "double", "uuid": "string"}


@dataclass(frozen=True, kw_only=True)
class AvroReader(Reader):
    """Records of numbers, text, bytes and lists of those; logical dates and times become text."""

    format: Literal["avro"] = "avro"

    def units(self, root: Path) -> list[Unit]:
        base, names = listing(root)
        return [Unit(str(base), (name,)) for name in names]

    def schema(self, root: Path) -> pa.Schema:
        base, names = listing(root)
        return union([(str(base / n), _schema_of(base / n)) for n in names], untyped=pa.null())

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        file = Path(unit.root, *unit.files)
        yield from batches(_records(file), schema, unit.files[0], "record")


def _records(file: Path) -> Iterator[Record]:
    import fastavro

    position = 0
    try:
        with open(file, "rb") as opened:
            for position, values in enumerate(fastavro.reader(opened), 1):
                assert isinstance(values, dict)
                yield Record(position, values)
    except (ValueError, EOFError, OSError, KeyError, IndexError) as e:
        raise RootstockError(f"{file}: cannot be read after record {position}: {e!r}") from e


def _schema_of(file: Path) -> pa.Schema:
    import fastavro

    try:
        with open(file, "rb") as opened:
            written: Any = fastavro.reader(opened).writer_schema
    except (ValueError, EOFError, OSError) as e:
        raise RootstockError(f"{file}: is not an Avro file: {e}") from e
    if not isinstance(written, dict) or written["type"] != "record":
        raise RootstockError(f"{file}: holds no records. Expected an Avro file of records.")
    fields = []
    for field in written["fields"]:
        kind = _type_of(field["type"])
        if kind is None:
            raise RootstockError(
                f"{file}: field {field['name']!r} is {field['type']}, which has no place in an"
                " example. Expected numbers, text, bytes, dates or lists of those."
            )
        fields.append((field["name"], kind))
    return pa.schema(fields)


def _type_of(told: Any) -> pa.DataType | None:
    if isinstance(told, list):
        kinds = [k for k in map(_type_of, told) if k != pa.null()]
        return kinds[0] if len(kinds) == 1 else None
    if not isinstance(told, dict):
        return pa.type_for_alias(_TYPES[told]) if told in _TYPES else None
    if told["type"] == "array":
        inner = _type_of(told["items"])
        return None if inner is None or pa.types.is_list(inner) else pa.list_(inner)
    if "logicalType" in told:
        return pa.type_for_alias(_LOGICAL.get(told["logicalType"], "string"))
    return _type_of(told["type"])
