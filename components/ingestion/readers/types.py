"""The Arrow types that examples have, and how the types of several files meet in one."""

from __future__ import annotations

from pathlib import Path

from components.data.arrow import pa
from components.errors import RootstockError

_TEXT = ("date", "time", "timestamp", "duration")


def plain(kind: pa.DataType) -> pa.DataType | None:
    """The type in which a column of type `kind` is kept; None where there is none.

    Integers become int64, floats keep their width, decimals become float64, dates and times text;
    lists are lists of those. An image as a struct with `bytes` becomes those bytes.
    """
    t = pa.types
    if t.is_dictionary(kind):
        return plain(kind.value_type)
    if t.is_integer(kind):
        return pa.int64()
    if t.is_float64(kind) or t.is_decimal(kind):
        return pa.float64()
    if t.is_floating(kind):
        return pa.float32()
    if t.is_boolean(kind) or t.is_null(kind):
        return kind
    if (
        t.is_string(kind)
        or t.is_large_string(kind)
        or t.is_string_view(kind)
        or t.is_temporal(kind)
    ):
        return pa.string()
    if (
        t.is_binary(kind)
        or t.is_large_binary(kind)
        or t.is_binary_view(kind)
        or t.is_fixed_size_binary(kind)
    ):
        return pa.binary()
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        inner = plain(kind.value_type)
        return None if inner is None or t.is_list(inner) else pa.list_(inner)
    if t.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return plain(kind.field("bytes").type)
    return None


def plain_schema(schema: pa.Schema, file: Path) -> pa.Schema:
    """The columns of a file in the types in which they are kept.

    Raises:
        RootstockError: a column has a type that has no place in an example.
    """
    fields = []
    for field in schema:
        kept = plain(field.type)
        if kept is None:
            raise RootstockError(
                f"{file}: column {field.name!r} is {field.type}, which has no place in an example."
                " Expected numbers, text, bytes, dates, lists of those, or an image struct with"
                " `bytes`."
            )
        fields.append((field.name, kept))
    return pa.schema(fields)


def common(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both; None where there is none."""
    if a == b or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    numbers = {pa.int64(), pa.float32(), pa.float64()}
    if a in numbers and b in numbers:
        return pa.float64()
    if pa.types.is_list(a) and pa.types.is_list(b):
        inner = common(a.value_type, b.value_type)
        return None if inner is None else pa.list_(inner)
    return None


def union(schemas: list[tuple[str, pa.Schema]], untyped: pa.DataType | None = None) -> pa.Schema:
    """One schema with the columns of all, in order of appearance.

    schemas: each under the name of the file or source it comes from. untyped: what columns without
    values are; text by default.

    Raises:
        RootstockError: a column has types that do not meet; both places are named.
    """
    types: dict[str, tuple[str, pa.DataType]] = {}
    for place, schema in schemas:
        for field in schema:
            first, known = types.setdefault(field.name, (place, field.type))
            both = common(known, field.type)
            if both is None:
                raise RootstockError(
                    f"column {field.name!r} is {known} in {first} but {field.type} in {place}."
                    " Expected one type: rename a column, or give its type under `types`."
                )
            types[field.name] = (first, both)
    none = pa.string() if untyped is None else untyped
    return pa.schema([(n, none if t == pa.null() else t) for n, (_, t) in types.items()])


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` with exactly the columns of `schema`: cast where needed, null where it lacks one."""
    columns = []
    for field in schema:
        place = batch.schema.get_field_index(field.name)
        if place < 0:
            columns.append(pa.nulls(batch.num_rows, field.type))
        else:
            columns.append(_cast(batch.column(place), field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if pa.types.is_struct(column.type):
        column = (
            column.field("bytes")
            if column.null_count == 0
            else column.flatten()[column.type.get_field_index("bytes")]
        )
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(kind)
