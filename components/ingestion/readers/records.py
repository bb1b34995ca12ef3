"""Converts records without a schema to record batches; finds records that do not fit."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.data.lazy import pa
from components.ingestion.columns import common_type
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.text_values import UNTYPED

BATCH_ROWS = 4096
BATCH_BYTES = 1 << 26
SHOWN = 80


@dataclass(frozen=True)
class Record:
    """A record, with its position in the file, from 1."""

    position: int
    values: Mapping[str, object]


def infer_schema(records: Iterable[Mapping[str, object]]) -> pa.Schema:
    """The columns of the records, in order of first appearance, with the type of most values."""
    seen: dict[str, Counter[pa.DataType]] = {}
    for values in records:
        for name, value in values.items():
            kind = type_of(stored_value(value))
            if kind is not None:
                seen.setdefault(name, Counter())[kind] += 1
    return pa.schema([(name, _most_common(counts)) for name, counts in seen.items()])


def batches(
    records: Iterable[Record | BadRecord], schema: pa.Schema, file: str, counted: str
) -> Iterator[pa.RecordBatch | BadRecord]:
    """Records as batches of `schema`. Records with values of other types are bad records.

    counted: see `BadRecord`.
    """
    pending, size = list[Record](), 0
    for record in records:
        if isinstance(record, BadRecord):
            yield record
        else:
            pending.append(record)
            size += sum(len(v) for v in record.values.values() if isinstance(v, str | bytes))
        if len(pending) == BATCH_ROWS or size > BATCH_BYTES:
            yield from _batch(pending, schema, file, counted)
            pending, size = [], 0
    if pending:
        yield from _batch(pending, schema, file, counted)


def stored_value(value: object) -> object:
    """A value as examples store it: dates, times and UUIDs as text, decimals as floats."""
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
            return [stored_value(v) for v in value]
    return value


def type_of(value: object) -> pa.DataType | None:
    """The Arrow type of a stored value; None if examples cannot store it."""
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
                inner = None if kind is None or inner is None else common_type(inner, kind)
            return None if inner is None or pa.types.is_list(inner) else pa.list_(inner)
    return None


def _most_common(counts: Counter[pa.DataType]) -> pa.DataType:
    """The type of most values. Types with a common type are counted together."""
    groups: list[tuple[pa.DataType, int]] = [(pa.null(), 0)]
    for kind, count in counts.items():
        if kind == pa.null():
            continue
        for i, (other, total) in enumerate(groups):
            if (merged := common_type(other, kind)) is not None:
                groups[i] = (merged, total + count)
                break
        else:
            groups.append((kind, count))
    return max(groups, key=lambda group: group[1])[0]


def _batch(
    records: list[Record], schema: pa.Schema, file: str, counted: str
) -> Iterator[pa.RecordBatch | BadRecord]:
    reasons: dict[int, str] = {}
    columns = []
    for field in schema:
        values = [stored_value(r.values.get(field.name)) for r in records]
        column = _converted(values, field.type)
        if column is None:
            for row, value in enumerate(values):
                if _converted([value], field.type) is None:
                    problem = _mismatch(value, field.type)
                    reasons.setdefault(row, f"column {field.name!r}: {problem}")
                    values[row] = None
            column = pa.array(values, field.type)
        columns.append(column)
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    if reasons:
        batch = batch.filter(pa.array([i not in reasons for i in range(len(records))]))
    yield batch
    for row, reason in reasons.items():
        yield BadRecord(file, records[row].position, reason, counted)


def _converted(values: list[object], kind: pa.DataType) -> pa.Array | None:
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _mismatch(value: object, kind: pa.DataType) -> str:
    if kind == pa.null():
        return UNTYPED
    shown = repr(value)
    return f"{shown[:SHOWN]}{'…' if len(shown) > SHOWN else ''} is not {kind}"
