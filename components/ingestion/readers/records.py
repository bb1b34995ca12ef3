"""Free-form records into record batches: the types of their columns, and records not of them."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.data.arrow import pa
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.text_values import UNTYPED
from components.ingestion.readers.types import common

BATCH_ROWS = 4096
SHOWN = 80


@dataclass(frozen=True)
class Record:
    """position: from 1, in its file."""

    position: int
    values: Mapping[str, object]


def infer(records: Iterable[Mapping[str, object]]) -> pa.Schema:
    """The columns of some records, in order of appearance, each with the type most values have."""
    seen: dict[str, Counter[pa.DataType]] = {}
    for values in records:
        for name, value in values.items():
            kind = type_of(plain(value))
            if kind is not None:
                seen.setdefault(name, Counter())[kind] += 1
    return pa.schema([(name, _most(counts)) for name, counts in seen.items()])


def batches(
    records: Iterable[Record | BadRecord], schema: pa.Schema, file: str, counted: str
) -> Iterator[pa.RecordBatch | BadRecord]:
    """Records as batches of `schema`; those whose values are of other types are bad."""
    waiting: list[Record] = []
    for record in records:
        if isinstance(record, BadRecord):
            yield record
            continue
        waiting.append(record)
        if len(waiting) == BATCH_ROWS:
            yield from _batch(waiting, schema, file, counted)
            waiting = []
    if waiting:
        yield from _batch(waiting, schema, file, counted)


def plain(value: object) -> object:
    """A value as an example keeps it: dates and times and identifiers as text, decimals floats."""
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return value
        case decimal.Decimal():
            return float(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case uuid.UUID():
            return str(value)
        case bytearray() | memoryview():
            return bytes(value)
        case list() | tuple():
            return [plain(v) for v in value]
    return value


def type_of(value: object) -> pa.DataType | None:
    """The Arrow type of a plain value; None where there is none."""
    match value:
        case None:
            return pa.null()
        case bool():
            return pa.bool_()
        case int():
            return pa.int64() if -(2**63) <= value < 2**63 else None
        case float():
            return pa.float64()
        case str():
            return pa.string()
        case bytes():
            return pa.binary()
        case list():
            inner: pa.DataType | None = pa.null()
            for v in value:
                kind = type_of(v)
                inner = None if kind is None or inner is None else common(inner, kind)
            return None if inner is None or pa.types.is_list(inner) else pa.list_(inner)
    return None


def _most(counts: Counter[pa.DataType]) -> pa.DataType:
    """The type of most values, where types that meet in one count together."""
    groups: list[tuple[pa.DataType, int]] = [(pa.null(), 0)]
    for kind, count in counts.items():
        if kind == pa.null():
            continue
        for i, (other, total) in enumerate(groups):
            if (both := common(other, kind)) is not None:
                groups[i] = (both, total + count)
                break
        else:
            groups.append((kind, count))
    return max(groups, key=lambda group: group[1])[0]


def _batch(
    records: list[Record], schema: pa.Schema, file: str, counted: str
) -> Iterator[pa.RecordBatch | BadRecord]:
    wrong: dict[int, str] = {}
    columns = []
    for field in schema:
        values = [plain(r.values.get(field.name)) for r in records]
        column = _converted(values, field.type)
        if column is None:
            for row, value in enumerate(values):
                if _converted([value], field.type) is None:
                    wrong.setdefault(row, f"column {field.name!r}: {_unfit(value, field.type)}")
                    values[row] = None
            column = pa.array(values, field.type)
        columns.append(column)
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    if wrong:
        batch = batch.filter(pa.array([i not in wrong for i in range(len(records))]))
    yield batch
    for row, reason in wrong.items():
        yield BadRecord(file, records[row].position, reason, counted)


def _converted(values: list[object], kind: pa.DataType) -> pa.Array | None:
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _unfit(value: object, kind: pa.DataType) -> str:
    if kind == pa.null():
        return UNTYPED
    shown = repr(value)
    return f"{shown[:SHOWN]}{'…' if len(shown) > SHOWN else ''} is not {kind}"
