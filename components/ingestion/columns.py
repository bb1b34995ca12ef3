"""Columns of examples: their Arrow types, and how the columns of several files are merged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.data.lazy import pa, pc
from components.errors import RootstockError


def check_columns(what: str, names: Iterable[str], columns: list[str], place: str) -> None:
    """Check that all names are columns.

    what: the setting that has the names. place: the source of the columns, for the message.

    Raises:
        RootstockError: a name is not a column.
    """
    for name in names:
        if name not in columns:
            raise RootstockError(
                f"{what}: {name!r} is not a column of {place}. Its columns: {', '.join(columns)}."
            )


def stored_type(kind: pa.DataType) -> pa.DataType | None:
    """The type in which examples store a column of type `kind`; None if they cannot.

    Integers become int64, floats keep their width, decimals become float64, dates and times become
    text. Lists become lists of these. A struct with a field `bytes` (an image) becomes these bytes.
    """
    t = pa.types
    texts = (t.is_string, t.is_large_string, t.is_string_view, t.is_temporal)
    binaries = (t.is_binary, t.is_large_binary, t.is_binary_view, t.is_fixed_size_binary)
    if t.is_dictionary(kind):
        return stored_type(kind.value_type)
    if t.is_integer(kind):
        return pa.int64()
    if t.is_float64(kind) or t.is_decimal(kind):
        return pa.float64()
    if t.is_floating(kind):
        return pa.float32()
    if t.is_boolean(kind) or t.is_null(kind):
        return kind
    if any(is_text(kind) for is_text in texts):
        return pa.string()
    if any(is_binary(kind) for is_binary in binaries):
        return pa.binary()
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        inner = stored_type(kind.value_type)
        return None if inner is None or t.is_list(inner) else pa.list_(inner)
    if t.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return stored_type(kind.field("bytes").type)
    return None


def stored_schema(schema: pa.Schema, file: Path) -> pa.Schema:
    """The columns of a file, with the types in which examples store them.

    Raises:
        RootstockError: examples cannot store the type of a column.
    """
    fields = []
    for field in schema:
        kind = stored_type(field.type)
        if kind is None:
            raise RootstockError(
                f"{file}: column {field.name!r} is {field.type}, which examples cannot store."
                " Expected numbers, text, bytes, dates, lists of these, or an image struct with"
                " `bytes`."
            )
        fields.append((field.name, kind))
    return pa.schema(fields)


def common_type(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The type that can store the values of both; None if there is none."""
    if a == b or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    numbers = {pa.int64(), pa.float32(), pa.float64()}
    if a in numbers and b in numbers:
        return pa.float64()
    if pa.types.is_list(a) and pa.types.is_list(b):
        inner = common_type(a.value_type, b.value_type)
        return None if inner is None else pa.list_(inner)
    return None


def merge_schemas(
    schemas: list[tuple[str, pa.Schema]], untyped: pa.DataType | None = None
) -> pa.Schema:
    """One schema with the columns of all, in order of first appearance.

    schemas: each with the name of its file or source. untyped: type of columns without values; text
    by default.

    Raises:
        RootstockError: a column has types without a common type; the message names both places.
    """
    types: dict[str, tuple[str, pa.DataType]] = {}
    for place, schema in schemas:
        for field in schema:
            first, known = types.setdefault(field.name, (place, field.type))
            merged = common_type(known, field.type)
            if merged is None:
                raise RootstockError(
                    f"column {field.name!r} is {known} in {first} but {field.type} in {place}."
                    " Expected one type: rename a column, or set its type under `types`."
                )
            types[field.name] = (first, merged)
    default = pa.string() if untyped is None else untyped
    return pa.schema([(n, default if t == pa.null() else t) for n, (_, t) in types.items()])


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with exactly the columns of `schema`: cast if needed, null if missing."""
    columns = []
    for field in schema:
        if (index := batch.schema.get_field_index(field.name)) < 0:
            columns.append(pa.nulls(batch.num_rows, field.type))
        else:
            columns.append(_cast(batch.column(index), field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(kind)
