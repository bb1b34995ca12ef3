"""All that can be checked of a spec without running it: paths, columns, label values."""

from __future__ import annotations

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
"""How many rows of each source are looked at."""


def validate(spec: Spec) -> list[str]:
    """What is wrong with the data that `spec` names, one sentence each; empty when all is well."""
    given_inputs = tuple(spec.inputs.values())
    wrong: list[str] = []
    try:
        check_slices(spec.evaluation.slices)
        check_thresholds(tuple(spec.tasks.values()), spec.thresholds, spec.evaluation.slices)
    except RootstockError as e:
        wrong.append(str(e))
    try:
        trunk = with_trunk_looked_up(spec).model.trunk
        wrong += [f"model.trunk: {told}" for told in trunk.check(given_inputs)]
    except RootstockError as e:
        wrong.append(str(e))
    if not isinstance(spec.model.trunk, Registry):  # its model holds copies of the files of inputs
        wrong += [f"inputs.{i.name}: {problem}" for i in given_inputs for problem in i.check()]
    wrong += _bad_schema(spec.data.schema_file)
    heads: list[tuple[str, pa.Table]] = []
    try:
        sources = resolved(spec.data.sources)
    except RootstockError as e:
        return [*wrong, str(e)]
    for source in sources:
        try:
            heads.append((source.place, source.peek(ROWS)))
        except RootstockError as e:
            wrong.append(str(e))
    if wrong:
        return list(dict.fromkeys(wrong))
    columns = {name for _, head in heads for name in head.column_names}
    where = ", ".join(path for path, _ in heads)
    absent = [key for key in spec.data.key if key not in columns]
    wrong += [_missing(f"data.key: {key!r}", where, columns) for key in absent]
    by, weight = columns_of(spec.evaluation.slices), spec.evaluation.weight
    by += [weight] if weight else []
    wrong += [
        f"{path}: evaluation.weight reads numbers, but {_no_numbers(head.column(weight))}"
        for path, head in heads
        if weight in head.column_names and not _is_numeric(head.schema.field(weight).type)
    ]
    wrong += [_missing(f"evaluation: {c!r}", where, columns) for c in by if c not in columns]
    for given in given_inputs:
        if given.column not in columns:
            wrong.append(_missing(f"inputs.{given.name}: {given.column!r}", where, columns))
            continue
        for path, head in heads:
            if given.column in head.column_names:
                wrong += _unfit(given, path, head.column(given.column))
    for task in spec.tasks.values():
        if task.label not in columns:
            wrong.append(_missing(f"tasks.{task.name}: label {task.label!r}", where, columns))
            continue
        for path, head in heads:
            if task.label in head.column_names:
                wrong += _bad_labels(task, path, head.column(task.label))
    return wrong


def _bad_schema(file: str | None) -> list[str]:
    try:
        if file is not None:
            parse_schema(Path(file).read_text(encoding="utf-8"), file)
    except (OSError, ValueError) as e:
        return [f"data.schema_file: {file}: {e}"]
    except RootstockError as e:
        return [f"data.schema_file: {e}"]
    return []


def _missing(what: str, where: str, columns: set[str]) -> str:
    return f"{what} is not a column of {where}. Columns there: {', '.join(sorted(columns))}."


def _unfit(given: Input, path: str, column: pa.ChunkedArray) -> list[str]:
    """An input whose column is of a type that it cannot read."""
    place = f"{path}: inputs.{given.name}"
    if given.raw == "number" and not _is_numeric(column.type):
        return [f"{place} reads numbers, but {_no_numbers(column)}"]
    if given.raw == "bytes" and not pa.types.is_binary(column.type):
        return [
            f"{place} is of kind {given.kind}: expected bytes, but its column holds {column.type}."
        ]
    return []


def _is_numeric(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    return any(of_kind(kind) for of_kind in kinds)


def _no_numbers(column: pa.ChunkedArray) -> str:
    """What a column holds instead of numbers, and where the first such value stands."""
    told = f"its column holds {column.type} values"
    for row, value in enumerate(column.to_pylist()):
        try:
            float(value if value is not None else 0)
        except (TypeError, ValueError):
            told += f", such as {value!r} in row {row}"
            break
    return (
        f"{told}. Add what means missing to the source's `null_values`, or declare the column's"
        " type under `types`: rows with other values are bad records then (`max_bad_fraction`)."
    )


def _bad_labels(task: Task, path: str, column: pa.ChunkedArray) -> list[str]:
    try:
        encode(resolve(task, column), column, len(column))
    except (RootstockError, ValueError) as e:
        return [f"{path}: {e}"]
    return []
