"""JSON Lines: one JSON object per line, also compressed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from components.data.lazy import arrow_json, pa
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Unit
from components.ingestion.readers.byte_ranges import blocks_of_lines, opened_range, units_of_lines
from components.ingestion.readers.files import FilesReader, reading, whole_files
from components.ingestion.readers.records import Record, batches, infer_schema
from components.ingestion.readers.text_values import ColumnType, declared_types

BLOCK_BYTES = 1 << 24
INFER_LINES, SEARCH_LINES = 10_000, 1_000_000
"""Lines that say the columns, and lines in which values of a column without any are looked for."""
FEW_LINES = 64
LEVELS = 100


@dataclass(frozen=True, kw_only=True)
class JsonLinesReader(FilesReader):
    """The columns are the keys in the first 10,000 objects of every file; other keys are ignored.
    A key without a value in them has the type of its first values in the next million objects.

    An object inside an object becomes columns `outer.inner`.

    types: by column: int, float, bool or string. For columns whose type should not be inferred from
        the first objects, and for keys that these lack.
    """

    format: Literal["jsonl"] = "jsonl"
    types: Mapping[str, ColumnType] = field(default_factory=dict)

    def file_units(self, base: Path, name: str) -> list[Unit]:
        return units_of_lines(base, name)

    def peek_units(self, root: Path) -> list[Unit]:
        return whole_files(root)

    def file_schema(self, file: Path) -> pa.Schema:
        unit = Unit(str(file.parent), (file.name,))
        lines = chain.from_iterable(block.split(b"\n") for block in _blocks(unit))
        records = list(_records(list(islice(lines, INFER_LINES)), 0, str(file)))
        objects = [r.values for r in records if isinstance(r, Record)]
        if records and not objects:
            raise RootstockError(f"{records[0]}. Expected one JSON object per line.")
        untyped = [{k: v for k, v in o.items() if k not in self.types} for o in objects]
        schema = infer_schema(untyped)
        later = islice(lines, SEARCH_LINES)
        while (empty := _empty(schema)) and (some := list(islice(later, INFER_LINES))):
            found = [r.values for r in _records(some, 0, str(file)) if isinstance(r, Record)]
            more = infer_schema([{k: o.get(k) for k in empty} for o in found])
            types = dict(zip(more.names, more.types, strict=True))
            schema = pa.schema([f.with_type(types.get(f.name, f.type)) for f in schema])
        return schema

    def schema(self, root: Path) -> pa.Schema:
        inferred = {field.name: field.type for field in super().schema(root)}
        return pa.schema({**inferred, **declared_types(self.types)}.items())

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        before = unit.lines
        for block in _blocks(unit):
            lines = block.split(b"\n")
            yield from _parse(lines, before, unit.files[0], schema)
            before += len(lines) - 1


def _blocks(unit: Unit) -> Iterator[bytes]:
    with reading(unit.file), opened_range(unit) as stream:
        yield from blocks_of_lines(stream, BLOCK_BYTES)


def _empty(schema: pa.Schema) -> list[str]:
    """Columns without any value so far. The rows of several tasks may follow each other, so that
    the first ones lack the labels of the last.
    """
    return [f.name for f in schema if f.type == pa.null()]


def _parse(
    lines: list[bytes], before: int, file: str, schema: pa.Schema
) -> Iterator[pa.RecordBatch | BadRecord]:
    """Parses lines with Arrow, and one by one around lines that Arrow does not accept."""
    if (table := _parse_with_arrow(lines, schema)) is not None:
        yield from table.to_batches()
    elif len(lines) > FEW_LINES:
        half = len(lines) // 2
        yield from _parse(lines[:half], before, file, schema)
        yield from _parse(lines[half:], before + half, file, schema)
    else:
        yield from batches(_records(lines, before, file), schema, file, "line")


def _parse_with_arrow(lines: list[bytes], schema: pa.Schema) -> pa.Table | None:
    """The lines as a table; None if a line does not fit the schema, or objects contain objects."""
    block = b"\n".join(lines)
    if any("." in name for name in schema.names):
        return None
    try:
        block.decode()
        table = arrow_json.read_json(
            pa.BufferReader(block),
            arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    rows = sum(not line.isspace() for line in lines if line)
    return table if table.num_rows == rows else None


def _records(lines: list[bytes], before: int, file: str) -> Iterator[Record | BadRecord]:
    for line, text in enumerate(lines, before + 1):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except UnicodeDecodeError as e:
            yield BadRecord(file, line, f"is not UTF-8 text: {e.reason} at byte {e.start}")
        except ValueError as e:
            yield BadRecord(file, line, f"is not JSON: {e}")
        except RecursionError:
            yield BadRecord(file, line, "has too many values inside of each other")
        else:
            if isinstance(value, dict) and _depth(value) > LEVELS:
                yield BadRecord(file, line, f"has objects on more than {LEVELS} levels")
            elif isinstance(value, dict):
                yield Record(line, dict(_flatten(value)))
            else:
                kind = type(value).__name__
                yield BadRecord(file, line, f"is a JSON {kind}; expected an object")


def _depth(value: object) -> int:
    """The number of levels of objects inside of objects, up to one more than `LEVELS`."""
    levels, inner = 0, [value]
    while levels <= LEVELS and (inner := [v for v in inner if isinstance(v, dict)]):
        levels += 1
        inner = [v for outer in inner for v in outer.values()]
    return levels


def _flatten(values: Mapping[str, object], outer: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{outer}{name}.")
        else:
            yield f"{outer}{name}", None if value == {} else value
