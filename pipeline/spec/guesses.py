"""Guesses of inputs and tasks from the first rows of a column, for `rootstock init`."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from components.data.casting import texts
from components.data.lazy import pa, pc
from components.errors import RootstockError
from components.inputs.base import all_kinds
from components.labels.base import LabelSample, of_kind
from models.discovery import methods
from models.tasks.base import Task

Part = dict[str, Any]


def guess_input(name: str, column: pa.ChunkedArray) -> Part | str:
    """The input for a column, or a phrase that says why the column is left out."""
    if column.null_count == len(column):
        return "no values in its first rows"
    guesses = [guess for kind in all_kinds() if (guess := kind.guess(name, column)) is not None]
    specs = [guess for guess in guesses if isinstance(guess, dict)]
    return next(iter([*specs, *guesses]), f"{column.type} values")


def guess_task(column: pa.ChunkedArray, label: str) -> Part:
    """The task that predicts a column.

    Raises:
        RootstockError: no task could predict its values.
    """
    sample = _sample(column)
    for kind in methods("models.tasks", Task, "kind"):
        if (fields := of_kind(kind).guess(sample)) is not None:
            return {"kind": kind, "label": label, **fields}
    rows = f"in the first {len(column):,} rows"
    if sample.shape == "other":
        problem = f"the column holds {column.type} values. Expected numbers or texts."
    elif len(sample.counts) < 2:
        problem = f"{'one value' if sample.counts else 'no value'} {rows}. Expected two or more."
    else:
        problem = (
            f"{len(sample.counts)} different texts {rows}, too many for classes. Expected a column"
            " of few values, or of numbers."
        )
    raise RootstockError(f"--label {label}: {problem}")


def _sample(column: pa.ChunkedArray) -> LabelSample:
    kind, rows = column.type, len(column)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        shape: Literal["lists", "other"] = "lists" if pa.types.is_list(kind) else "other"
        return LabelSample(shape=shape, rows=rows, counts={})
    counts = Counter(texts(column).drop_null().to_pylist())
    floats = pa.types.is_floating(kind)
    return LabelSample(
        shape="numbers" if floats or pa.types.is_integer(kind) else "text",
        rows=rows,
        counts=counts,
        fractions=floats and not pc.all(pc.equal(pc.floor(column), column)).as_py(),
    )
