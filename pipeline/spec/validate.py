"""Checks a spec without running it: its sections, its files, and the first rows of its data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pyarrow as pa

from components.artifacts import UNLABELLED
from components.data.casting import is_number
from components.data.number_texts import marks_in
from components.data.objects import is_url
from components.data.slices import check_slices, columns_of
from components.errors import RootstockError
from components.evaluation.thresholds import check_thresholds
from components.export.portable_runtime import check_installed
from components.ingestion.readers.spans import resolved
from components.inputs.base import kind_of
from components.labels.encoding import encode, resolve
from components.stage import BeamOptions
from components.validation.schema import parse_schema
from components.validation.task_checks import doubtful
from models.inputs.base import Input
from models.pretraining.language_model import EPOCHS, FEWEST_STEPS, FEWEST_TEXTS, MOST_STEPS
from models.trunks.trained import Registry
from pipeline.spec.sections import Spec
from pipeline.spec.trunk_lookup import with_trunk_looked_up
from pipeline.store.place import local
from pipeline.store.store import Store

ROWS = 1000
"""Number of rows of each source that are read."""
SHOWN = 20
"""Number of columns that a note names."""
Head = tuple[str, pa.Table]
"""The place of a source, and its first rows."""


@dataclass(frozen=True)
class Checked:
    """problems: what has to be corrected. notes: what may be as intended. One sentence each."""

    problems: list[str]
    notes: list[str]


def validate(spec: Spec) -> list[str]:
    """Problems with the spec and the data that it names, one sentence each."""
    return check(spec).problems


def check_reach(spec: Spec, beam: BeamOptions) -> None:
    """Check that the workers of a runner can read the sources.

    Raises:
        RootstockError: they cannot, because they share no disk with this machine.
    """
    if problems := _out_of_reach(spec, beam):
        raise RootstockError("\n".join(problems))


def check(spec: Spec, beam: BeamOptions = BeamOptions()) -> Checked:  # noqa: B008 - frozen
    """The spec against the first rows of its data."""
    problems = _problems_without_data(spec)
    with _noted(problems):
        check_reach(spec, beam)
    heads: list[Head] = []
    texts: list[Head] = []
    with _noted(problems):
        for source in resolved(spec.data.sources):
            with _noted(problems):
                kept = texts if source.split == UNLABELLED else heads
                kept.append((source.place, source.peek(ROWS)))
    if not problems:
        problems = [*_missing_columns(spec, heads), *_unfit_columns(spec, heads)]
        problems += _unfit_texts(spec, texts)
    notes = [] if problems else [*_unread(spec, [*heads, *texts]), *_doubts(spec, heads)]
    if not problems:
        problems += _too_few_texts(spec, [*heads, *texts])
        notes += _pretraining(spec, texts)
    return Checked(list(dict.fromkeys(problems)), list(dict.fromkeys(notes)))


@contextmanager
def _noted(problems: list[str], where: str = "") -> Iterator[None]:
    """Add an error to the problems instead of raising it."""
    try:
        yield
    except RootstockError as e:
        problems.append(f"{where}{e}")


def _problems_without_data(spec: Spec) -> list[str]:
    problems: list[str] = []
    slices = spec.evaluation.slices
    with _noted(problems):
        Store(local(spec.store)).check()
    with _noted(problems):
        check_slices(slices)
    with _noted(problems):
        check_installed(spec.export.formats)
    with _noted(problems):
        check_thresholds(tuple(spec.tasks.values()), spec.thresholds, slices)
    with _noted(problems):
        for key, trunk, read in with_trunk_looked_up(spec).read_by_trunks():
            problems += [f"{key}: {problem}" for problem in trunk.check(read)]
            if spec.model.pretraining is not None and (problem := trunk.check_pretraining()):
                problems.append(problem)
    for _, trunk, read in spec.read_by_trunks():
        if not isinstance(trunk, Registry):  # its model holds copies of the files of inputs
            problems += [f"inputs.{i.name}: {problem}" for i in read for problem in i.check()]
    if (file := spec.data.schema_file) is not None:
        try:
            with _noted(problems, "data.schema_file: "):
                parse_schema(Path(file).read_text(encoding="utf-8"), file)
        except (OSError, ValueError) as e:
            problems.append(f"data.schema_file: {file}: {e}")
    return problems


def _out_of_reach(spec: Spec, beam: BeamOptions) -> list[str]:
    """Of a store that is a directory, the workers share the disk."""
    if not beam.elsewhere or not is_url(spec.store):
        return []
    data = spec.data
    sources = [s for part in (data.sources, data.previous, data.serving) for s in resolved(part)]
    return [problem for source in sources if (problem := source.out_of_reach())]


def _missing_columns(spec: Spec, heads: list[Head]) -> Iterator[str]:
    columns = {name for _, head in heads for name in head.column_names}
    weight = spec.evaluation.weight
    evaluation = [*columns_of(spec.evaluation.slices), *([weight] if weight else [])]
    named = [
        *((f"data.key: {column!r}", column) for column in spec.data.key),
        *((f"evaluation: {column!r}", column) for column in evaluation),
        *((f"inputs.{i.name}: {i.column!r}", i.column) for i in spec.inputs.values()),
        *((f"tasks.{t.name}: label {t.label!r}", t.label) for t in spec.tasks.values()),
    ]
    places = ", ".join(place for place, _ in heads)
    there = f"{places}. Columns there: {', '.join(sorted(columns))}."
    for where, column in named:
        if column not in columns:
            yield f"{where} is not a column of {there}"


def _unread(spec: Spec, heads: list[Head]) -> Iterator[str]:
    """The columns that the pipeline does not use."""
    used = {
        *(i.column for i in spec.inputs.values()),
        *(t.label for t in spec.tasks.values()),
        *columns_of(spec.evaluation.slices),
        *spec.data.key,
        *(column for source in spec.data.sources for column in source.default_key),
        *spec.data.splits.columns,
        *(spec.data.duplicates.columns if spec.data.duplicates else ()),
        spec.evaluation.weight,
    }
    names = dict.fromkeys(name for _, head in heads for name in head.column_names)
    if unread := [name for name in names if name not in used]:
        columns = f"{len(unread)} of {len(names)} columns"
        shown = ", ".join(unread[:SHOWN]) + (", …" if len(unread) > SHOWN else "")
        yield f"Not used: {columns}: {shown}."


def _doubts(spec: Spec, heads: list[Head]) -> Iterator[str]:
    """What may be wrong with columns of text."""
    for (place, head), part in product(heads, (*spec.inputs.values(), *spec.tasks.values())):
        name = part.column if isinstance(part, Input) else part.label
        if name not in head.column_names or not pa.types.is_string(head.column(name).type):
            continue
        pairs = head.column(name).drop_null().value_counts().to_pylist()
        counts = {pair["values"]: pair["counts"] for pair in pairs}
        if isinstance(part, Input):
            doubt = kind_of(part).doubt(part, counts)
        else:
            marks = marks_in(counts)
            doubt = f"tasks.{part.name}: {doubtful(name, marks)}" if marks else ""
        if doubt:
            yield f"{place}: {doubt}"


def _unfit_columns(spec: Spec, heads: list[Head]) -> Iterator[str]:
    weight = spec.evaluation.weight
    for place, head in heads:
        columns = dict(zip(head.column_names, head.columns, strict=True))
        if weight in columns and not _is_numeric(columns[weight].type):
            yield f"{place}: evaluation.weight reads numbers, but {_no_numbers(columns[weight])}"
    for spec_input, (place, head) in product(spec.inputs.values(), heads):
        if spec_input.column in head.column_names:
            yield from _unfit(spec_input, place, head.column(spec_input.column))
    for task, (place, head) in product(spec.tasks.values(), heads):
        if task.label in head.column_names:
            column = head.column(task.label)
            try:
                encode(resolve(task, column), column, len(column))
            except (RootstockError, ValueError) as e:
                yield f"{place}: {e}"


def _too_few_texts(spec: Spec, heads: list[Head]) -> Iterator[str]:
    """Whether even all rows together would be too few texts to pretrain on."""
    rows = [head.num_rows for _, head in heads]
    if spec.model.pretraining and sum(rows) < FEWEST_TEXTS and max(rows, default=0) < ROWS:
        yield (
            f"model.pretraining: expected at least {FEWEST_TEXTS} different texts. Received:"
            f" {sum(rows)} rows. Add a source with `split: unlabelled`, or remove"
            " model.pretraining."
        )


def _pretraining(spec: Spec, texts: list[Head]) -> Iterator[str]:
    if texts and spec.model.pretraining is None:
        yield "Sources with `split: unlabelled` are not read: there is no model.pretraining."
    if spec.model.pretraining and spec.model.pretraining.steps is None:
        yield (
            "model.pretraining trains the whole trunk before any label is read: each text"
            f" {EPOCHS} times, in {FEWEST_STEPS} to {MOST_STEPS:,} steps. That can take hours on a"
            " CPU; model.pretraining.steps limits it."
        )


def _unfit_texts(spec: Spec, texts: list[Head]) -> Iterator[str]:
    """Sources of unlabelled rows without any column of an input, or with one of another type."""
    for place, head in texts:
        read = [i for i in spec.inputs.values() if i.column in head.column_names]
        if not read:
            columns = ", ".join(repr(i.column) for i in spec.inputs.values())
            yield (
                f"{place}: `split: unlabelled` needs the column of an input: {columns}. Columns"
                f" there: {', '.join(head.column_names)}."
            )
        for spec_input in read:
            yield from _unfit(spec_input, place, head.column(spec_input.column))


def _unfit(spec: Input, place: str, column: pa.ChunkedArray) -> Iterator[str]:
    where = f"{place}: inputs.{spec.name}"
    if spec.raw == "number" and not _is_numeric(column.type):
        yield f"{where} reads numbers, but {_no_numbers(column)}"
    if spec.raw == "bytes" and not pa.types.is_binary(column.type):
        yield f"{where} is of kind {spec.kind}: expected bytes, but its column holds {column.type}."


def _is_numeric(kind: pa.DataType) -> bool:
    return is_number(kind) or pa.types.is_null(kind)


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
