"""SchemaGen: the schema of the data, curated by the user or inferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.artifacts import UNLABELLED, Schema, SourceFiles, Statistics
from components.errors import RootstockError
from components.stage import Context, Stage
from components.statistics.column_statistics import (
    ColumnStatistics,
    ImageColumn,
    ListColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
    TextColumn,
    load_statistics,
)
from components.validation.schema import FILE, parse_schema, type_of

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

MAX_DOMAIN = 100
"""Columns with more distinct strings get no domain."""


@dataclass(frozen=True)
class SchemaGenInputs:
    """curated: a `schema.pbtxt` to use unchanged."""

    statistics: Statistics
    curated: SourceFiles | None = None


@dataclass(frozen=True)
class SchemaGenOutputs:
    schema: Schema


@dataclass(frozen=True, kw_only=True)
class SchemaGen(Stage[SchemaGenInputs, SchemaGenOutputs]):
    """Infers types, presence and domains from all splits, unless there is a curated schema.

    An inferred schema always fits its own data. It is a draft: curate it, then check later data
    against it.
    """

    def run(self, inputs: SchemaGenInputs, context: Context) -> SchemaGenOutputs:
        directory = context.output / "schema"
        directory.mkdir()
        if inputs.curated is None:
            from google.protobuf import text_format

            schema = infer(tuple(load_statistics(inputs.statistics).values()))
            text = text_format.MessageToString(schema)
        else:
            try:
                text = inputs.curated.path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as e:
                raise RootstockError(f"{inputs.curated.path}: cannot be read: {e}") from e
            schema = parse_schema(text, str(inputs.curated.path))
        (directory / FILE).write_text(text, encoding="utf-8")
        context.observer.figure("columns", len(schema.feature))
        context.observer.figure("schema", "curated" if inputs.curated else "inferred")
        return SchemaGenOutputs(Schema(directory))


def infer(splits: Sequence[SplitStatistics]) -> schema_pb2.Schema:
    """A schema that all splits fit: type, presence and domain of every column."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    for name in splits[0].columns:
        _infer_feature(schema.feature.add(name=name), _described(name, splits))
    return schema


def _described(column: str, splits: Sequence[SplitStatistics]) -> list[ColumnStatistics]:
    """The column in each split; not in unlabelled rows that have no values there."""
    has_values = (s for s in splits if s.name != UNLABELLED or s.columns[column].present)
    return [s.columns[column] for s in has_values]


def _infer_feature(feature: schema_pb2.Feature, columns: list[ColumnStatistics]) -> None:
    first = columns[0]
    feature.type = type_of(first)
    feature.presence.min_count = 1 if all(c.present for c in columns) else 0
    if not any(c.missing for c in columns):
        feature.presence.min_fraction = 1.0
    if isinstance(first, ListColumn):
        feature.value_count.min = 0
        return
    feature.value_count.min = feature.value_count.max = 1
    if isinstance(first, NumericColumn):
        numeric = [c for c in columns if isinstance(c, NumericColumn)]
        if first.type == "bool":
            feature.bool_domain.SetInParent()
        elif first.type == "int64":
            if all(c.minimum >= 0 for c in numeric):
                feature.int_domain.min = 0
        elif not any(c.infinite for c in numeric):
            feature.float_domain.disallow_inf = True
    elif isinstance(first, ImageColumn):
        feature.image_domain.SetInParent()
    elif isinstance(first, TextColumn):
        feature.natural_language_domain.SetInParent()
    elif isinstance(first, StringColumn):
        counts = [c.values for c in columns if isinstance(c, StringColumn)]
        values = sorted({v for c in counts for v, _ in c.counts})
        mostly_unique = len(values) * 2 > sum(c.present for c in columns)
        if values and len(values) <= MAX_DOMAIN and not mostly_unique:
            feature.string_domain.name = feature.name
            feature.string_domain.value.extend(values)
