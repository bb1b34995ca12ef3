"""SchemaGen: the schema that the data is held to, curated by the user or inferred."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts import Schema, SourceFiles, Statistics
from components.stage import Context, Stage


@dataclass(frozen=True)
class SchemaGenInputs:
    """curated: a `schema.pbtxt` to use as it is."""

    statistics: Statistics
    curated: SourceFiles | None = None


@dataclass(frozen=True)
class SchemaGenOutputs:
    schema: Schema


@dataclass(frozen=True, kw_only=True)
class SchemaGen(Stage[SchemaGenInputs, SchemaGenOutputs]):
    """Infers types, presence and domains from all splits, unless a schema is given."""

    def run(self, inputs: SchemaGenInputs, context: Context) -> SchemaGenOutputs:
        raise NotImplementedError
