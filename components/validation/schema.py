"""Schemas: reading them, and the types that they give to columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.artifacts import Schema
from components.errors import RootstockError
from components.statistics.column_statistics import ColumnStatistics, ListColumn, NumericColumn

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

FILE = "schema.pbtxt"


def load_schema(artifact: Schema) -> schema_pb2.Schema:
    file = artifact.path / FILE
    return parse_schema(file.read_text(encoding="utf-8"), str(file))


def parse_schema(text: str, place: str) -> schema_pb2.Schema:
    """A schema from its text form. place: where the text comes from, for error messages.

    Raises:
        RootstockError: the text is not a schema.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        return text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as e:
        raise RootstockError(
            f"{place}: {e}. Expected a tensorflow-metadata Schema in protobuf text form; SchemaGen"
            " writes one to start from when no `schema_file` is given."
        ) from e


def type_of(column: ColumnStatistics) -> int:
    """The `FeatureType` of a column, or of the elements of its lists."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    kind = schema_pb2.BYTES
    if isinstance(column, NumericColumn):
        kind = schema_pb2.INT if column.type in ("int64", "bool") else schema_pb2.FLOAT
    elif isinstance(column, ListColumn):
        if "int" in column.type or "bool" in column.type:
            kind = schema_pb2.INT
        elif "double" in column.type or "float" in column.type:
            kind = schema_pb2.FLOAT
    return int(kind)
