"""JSON Lines: one JSON object per line, also compressed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from components.data.arrow import arrow_json, pa
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Reader, Unit
from components.ingestion.readers.byte_ranges import (
    blocks_of_lines,
    lines_before,
    opened_range,
    units_of_lines,
)
from components.ingestion.readers.files import listing
from components.ingestion.readers.records import Record, batches, infer
from components.ingestion.readers.text_values import ARROW_NAMES, ColumnType
from components.ingestion.readers.types import union

BLOCK_BYTES = 1 << 24
INFER_LINES = 10_000
FEW_LINES = 64


@dataclass(frozen=True, kw_only=True)
class JsonLinesReader(Reader):
    """Columns are the keys of the first 10,000 objects of every file; other keys are left out.

    An object inside of an object gives columns `outer.inner`. types: of columns whose type should
    not be found from the first objects, and of keys that those lack.
    """

    format: Literal["jsonl"] = "jsonl"
    types: Mapping[str, ColumnType] = field(default_factory=dict)

    def units(self, root: Path) -> list[Unit]:
        base, names = listing(root)
        return [unit for name in names for unit in units_of_lines(base, name)]

    def schema(self, root: Path) -> pa.Schema:
        base, names = listing(root)
        found = union([(str(base / n), self._found(base, n)) for n in names], untyped=pa.null())
        given = {n: pa.type_for_alias(ARROW_NAMES[kind]) for n, kind in self.types.items()}
        return pa.schema({**{f.name: f.type for f in found}, **given}.items())

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        before = lines_before(unit) if unit.start else 0
        for block in _blocks(unit):
            lines = block.split(b"\n")
            yield from _parsed(lines, before, unit.files[0], schema)
            before += len(lines) - 1

    def _found(self, base: Path, name: str) -> pa.Schema:
        unit = Unit(str(base), (name,))
        lines = chain.from_iterable(block.split(b"\n") for block in _blocks(unit))
        records = list(_records(list(islice(lines, INFER_LINES)), 0, name))
        good = [r.values for r in records if isinstance(r, Record)]
        if records and not good:
            raise RootstockError(f"{base}/{records[0]}. Expected one JSON object per line.")
        return infer({k: v for k, v in values.items() if k not in self.types} for values in good)


def _blocks(unit: Unit) -> Iterator[bytes]:
    try:
        with opened_range(unit) as stream:
            yield from blocks_of_lines(stream, BLOCK_BYTES)
    except (pa.ArrowException, OSError, EOFError) as e:
        raise RootstockError(f"{Path(unit.root, *unit.files)}: cannot be read: {e}") from e


def _parsed(
    lines: list[bytes], before: int, file: str, schema: pa.Schema
) -> Iterator[pa.RecordBatch | BadRecord]:
    """Lines by Arrow's parser, and one by one around those that it does not take."""
    if (table := _parsed_at_once(lines, schema)) is not None:
        yield from table.to_batches()
    elif len(lines) > FEW_LINES:
        half = len(lines) // 2
        yield from _parsed(lines[:half], before, file, schema)
        yield from _parsed(lines[half:], before + half, file, schema)
    else:
        yield from batches(_records(lines, before, file), schema, file, "line")


def _parsed_at_once(lines: list[bytes], schema: pa.Schema) -> pa.Table | None:
    """None where a line is no object of these columns, or objects lie inside of objects."""
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
        else:
            if isinstance(value, dict):
                yield Record(line, dict(_flat(value)))
            else:
                kind = type(value).__name__
                yield BadRecord(file, line, f"is a JSON {kind}; expected an object")


def _flat(values: Mapping[str, object], outer: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{outer}{name}.")
        else:
            yield f"{outer}{name}", None if value == {} else value
