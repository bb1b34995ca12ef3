"""All that can be checked of a spec without running it: paths, columns, label values."""

from __future__ import annotations

import pyarrow as pa

from components.labels import encode, resolve
from components.readers.spans import resolved
from components.slices import check_slices, columns_of
from components.stage import RootstockError
from components.thresholds import check_thresholds
from models.features import reads_numbers
from models.inputs import ImageInput, Input, LayerInput
from models.layer_input import check_layer
from models.task import Task
from models.trunks.registry import Registry
from pipeline.spec import Spec
from pipeline.tracking.lookup import with_trunk_looked_up

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
    for given in given_inputs:
        if isinstance(given, LayerInput) and not isinstance(spec.model.trunk, Registry):
            wrong += [f"inputs.{given.name}: {told}" for told in check_layer(given)]
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
        return wrong
    columns = {name for _, head in heads for name in head.column_names}
    where = ", ".join(path for path, _ in heads)
    absent = [key for key in spec.data.key if key not in columns]
    wrong += [_missing(f"data.key: {key!r}", where, columns) for key in absent]
    by, weight = columns_of(spec.evaluation.slices), spec.evaluation.weight
    by += [weight] if weight else []
    wrong += [_missing(f"evaluation: {c!r}", where, columns) for c in by if c not in columns]
    for given in given_inputs:
        if given.column not in columns:
            wrong.append(_missing(f"inputs.{given.name}: {given.column!r}", where, columns))
            continue
        for path, head in heads:
            if given.column in head.column_names:
                wrong += _unfit(given.name, given, path, head.schema.field(given.column).type)
    for task in spec.tasks.values():
        if task.label not in columns:
            wrong.append(_missing(f"tasks.{task.name}: label {task.label!r}", where, columns))
            continue
        for path, head in heads:
            if task.label in head.column_names:
                wrong += _bad_labels(task, path, head.column(task.label))
    return wrong


def _missing(what: str, where: str, columns: set[str]) -> str:
    return f"{what} is not a column of {where}. Columns there: {', '.join(sorted(columns))}."


def _unfit(name: str, given: Input, path: str, kind: pa.DataType) -> list[str]:
    """An input whose column is of a type that it cannot read."""
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if reads_numbers(given) and not numeric and not pa.types.is_null(kind):
        return [f"{path}: inputs.{name} reads numbers, but its column holds {kind} values."]
    if isinstance(given, ImageInput) and not pa.types.is_binary(kind):
        return [f"{path}: inputs.{name} is an image, but its column holds {kind}, not bytes."]
    return []


def _bad_labels(task: Task, path: str, column: pa.ChunkedArray) -> list[str]:
    try:
        encode(resolve(task, column), column, len(column))
    except (RootstockError, ValueError) as e:
        return [f"{path}: {e}"]
    return []
