"""Checks of unlabelled rows, of which only the inputs are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tensorflow_metadata.proto.v0 import schema_pb2

from components.statistics.column_statistics import SplitStatistics
from components.validation.anomalies import Finding
from components.validation.schema_checks import schema_findings
from models.inputs.base import Input
from models.tasks.base import Task


def unlabelled_findings(
    rows: SplitStatistics, inputs: Sequence[Input], tasks: Sequence[Task], schema: schema_pb2.Schema
) -> Iterator[Finding]:
    """Columns of inputs that do not fit the schema or have no values; labels that nothing reads."""
    read = [spec.column for spec in inputs]
    columns = {name: c for name, c in rows.columns.items() if name in read}
    checked = schema_pb2.Schema(
        feature=[f for f in schema.feature if f.name in read], string_domain=schema.string_domain
    )
    yield from schema_findings({rows.name: replace(rows, columns=columns)}, checked)
    for spec in inputs:
        column = columns.get(spec.column)
        if column is not None and not column.present:
            sentence = f"inputs.{spec.name}: no unlabelled row has a value in {spec.column!r}."
            kind = "FEATURE_TYPE_NOT_PRESENT"
            yield Finding(f"inputs.{spec.name}", spec.column, kind, sentence, "WARNING")
    for task in tasks:
        column = rows.columns.get(task.label)
        if column is not None and column.present:
            sentence = (
                f"tasks.{task.name}: {column.present:,} rows of sources with `split: unlabelled`"
                f" have a label in column {task.label!r}, which is not used."
            )
            kind = "CUSTOM_VALIDATION"
            yield Finding(f"tasks.{task.name}", task.label, kind, sentence, "WARNING")
