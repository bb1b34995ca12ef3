"""Checks a spec without running it: its sections, its files, and the first rows of its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from components.data.slices import check_slices, columns_of
from components.errors import RootstockError
from components.evaluation.thresholds import check_thresholds
from components.ingestion.readers.spans import resolved
from components.labels.encoding import encode, resolve
from components.validation.schema import parse_schema
from models.inputs.base import Input
from models.tasks.base import Task
from models.trunks.trained import Registry
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import with_trunk_looked_up

ROWS = 1000
"""Number of rows of each source that are read."""
Head = tuple[str, pa.Table]
"""The place of a source, and its first rows."""


def validate(spec: Spec) -> list[str]:
    """Problems with the spec and the data that it names, one sentence each."""
    problems = list(_problems_without_data(spec))
    heads: list[Head] = []
    try:
        for source in resolved(spec.data.sources):
            try:
                heads.append((source.place, source.peek(ROWS)))
            except RootstockError as e:
                problems.append(str(e))
    except RootstockError as e:
        problems.append(str(e))
    if not problems:
        problems = [*_missing_columns(spec, heads), *_unfit_columns(spec, heads)]
    return list(dict.fromkeys(problems))


def _problems_without_data(spec: Spec) -> Iterator[str]:
    tasks = tuple(spec.tasks.values())
    yield from _raised(lambda: check_slices(spec.evaluation.slices))
    yield from _raised(lambda: check_thresholds(tasks, spec.thresholds, spec.evaluation.slices))
    inputs = tuple(spec.inputs.values())
    try:
        trunk = with_trunk_looked_up(spec).model.trunk
        yield from (f"model.trunk: {problem}" for problem in trunk.check(inputs))
    except RootstockError as e:
        yield str(e)
    if not isinstance(spec.model.trunk, Registry):  # its model holds copies of the files of inputs
        yield from (f"inputs.{i.name}: {problem}" for i in inputs for problem in i.check())
    try:
        if (file := spec.data.schema_file) is not None:
            parse_schema(Path(file).read_text(encoding="utf-8"), file)
    except (OSError, ValueError) as e:
        yield f"data.schema_file: {file}: {e}"
    except RootstockError as e:
        yield f"data.schema_file: {e}"


def _raised(check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except RootstockError as e:
        yield str(e)


def _missing_columns(spec: Spec, heads: list[Head]) -> Iterator[str]:
    """Columns that the spec names and no source has."""
    columns = {name for _, head in heads for name in head.column_names}
    places = ", ".join(place for place, _ in heads)
    weight = spec.evaluation.weight
    evaluation = [*columns_of(spec.evaluation.slices), *([weight] if weight else [])]
    named = [
        *((f"data.key: {column!r}", column) for column in spec.data.key),
        *((f"evaluation: {column!r}", column) for column in evaluation),
        *((f"inputs.{i.name}: {i.column!r}", i.column) for i in spec.inputs.values()),
        *((f"tasks.{t.name}: label {t.label!r}", t.label) for t in spec.tasks.values()),
    ]
    for where, column in named:
        if column not in columns:
            yield (
                f"{where} is not a column of {places}. Columns there: {', '.join(sorted(columns))}."
            )


def _unfit_columns(spec: Spec, heads: list[Head]) -> Iterator[str]:
    """Columns with values that the spec cannot use."""
    weight = spec.evaluation.weight
    for place, head in heads:
        columns = dict(zip(head.column_names, head.columns, strict=True))
        if weight in columns and not _is_numeric(columns[weight].type):
            yield f"{place}: evaluation.weight reads numbers, but {_no_numbers(columns[weight])}"
    for spec_input in spec.inputs.values():
        for place, head in heads:
            if spec_input.column in head.column_names:
                yield from _unfit(spec_input, place, head.column(spec_input.column))
    for task in spec.tasks.values():
        for place, head in heads:
            if task.label in head.column_names:
                yield from _bad_labels(task, place, head.column(task.label))


def _unfit(spec: Input, place: str, column: pa.ChunkedArray) -> Iterator[str]:
    """An input whose column has a type that it cannot read."""
    where = f"{place}: inputs.{spec.name}"
    if spec.raw == "number" and not _is_numeric(column.type):
        yield f"{where} reads numbers, but {_no_numbers(column)}"
    if spec.raw == "bytes" and not pa.types.is_binary(column.type):
        yield f"{where} is of kind {spec.kind}: expected bytes, but its column holds {column.type}."


def _is_numeric(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    return any(of_kind(kind) for of_kind in kinds)


def _no_numbers(column: pa.ChunkedArray) -> str:
    """What a column holds instead of numbers, with the first such value."""
    example = ""
    for row, value in enumerate(column.to_pylist()):
        try:
            float(value if value is not None else 0)
        except (TypeError, ValueError):
            example = f", such as {value!r} in row {row}"
            break
    return (
        f"its column holds {column.type} values{example}. Add what means missing to the source's"
        " `null_values`, or declare the column's type under `types`: rows with other values are"
        " then bad records (`max_bad_fraction`)."
    )


def _bad_labels(task: Task, place: str, column: pa.ChunkedArray) -> Iterator[str]:
    try:
        encode(resolve(task, column), column, len(column))
    except (RootstockError, ValueError) as e:
        yield f"{place}: {e}"
