"""Guesses of inputs and tasks from the first rows of a column, for `rootstock init`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

from components.data.casting import texts
from components.data.lazy import pa, pc
from components.errors import RootstockError
from components.inputs.base import all_kinds
from components.inputs.identifiers import identifies
from components.labels.base import SEPARATORS, LabelSample, of_kind
from models.discovery import methods
from models.tasks.base import Task

SOME = 0.2
"""Share of the texts with a separator from which they may be lists of labels."""
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "held-out", "held_out"), "test"),
}
FEWEST_NUMBERED = 30
"""Rows from which a column that counts them is an id, not a label."""
SMALLEST_PHOTOGRAPH = 24
"""Side in pixels below which images are taken for signs, such as digits, not photographs."""
_SPLIT = re.compile(r"split|fold|(^|[^a-z])(sub)?set|partition|usage")
Part = dict[str, Any]


def guess_input(name: str, column: pa.ChunkedArray) -> Part | str:
    """The input for a column, or a phrase that says why the column is left out."""
    if column.null_count == len(column):
        return "no values in its first rows"
    guesses = [guess for kind in all_kinds() if (guess := kind.guess(name, column)) is not None]
    specs = [guess for guess in guesses if isinstance(guess, dict)]
    return next(iter([*specs, *guesses]), f"{column.type} values")


def inputs_of(name: str, guess: Part, taken: Collection[str]) -> dict[str, Part]:
    """The inputs of a guess, by name: several where a value is a tuple of them, as for the parts of
    a date.
    """
    key = next((key for key, value in guess.items() if isinstance(value, tuple)), None)
    if key is None:
        return {name: guess}
    inputs: dict[str, Part] = {}
    for value in guess[key]:
        own, number = f"{name}_{value}", 2
        while own in taken or own in inputs:
            own, number = f"{name}_{value}_{number}", number + 1
        inputs[own] = guess | {key: value}
    return inputs


def guess_augment(inputs: Iterable[Part]) -> Part | None:
    """Random changes of photographs: a mirror image still shows the same. None if there are only
    small or grey images, which often show signs, or none.
    """
    images = [part for part in inputs if part["kind"] == "image"]
    photographs = all(
        part.get("channels", 3) == 3 and min(part["height"], part["width"]) >= SMALLEST_PHOTOGRAPH
        for part in images
    )
    if not images or not photographs:
        return None
    return {"flip": True, "shift": 0.1, "unless_frozen": True}


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
        if used := [
            s for s in SEPARATORS if sum(s in v for v in sample.counts) > SOME * len(sample.counts)
        ]:
            problem += (
                f" Many have {used[0]!r} in them: if each text is a list of labels, write the task"
                f" yourself, with `kind: multilabel` and `separator: {used[0]!r}`."
            )
    raise RootstockError(f"--label {label}: {problem}")


def numbers_rows(column: pa.ChunkedArray) -> bool:
    """Whether a column has each whole number of a range once, like an id."""
    if not pa.types.is_integer(column.type) or len(column) < FEWEST_NUMBERED or column.null_count:
        return False
    ends = pc.min_max(column).as_py()
    return bool(len(column.unique()) == len(column) == ends["max"] - ends["min"] + 1)


def guess_key(table: pa.Table, columns: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """The column whose groups of rows must not be divided, and why columns of groups are left out.

    Of several, such as patients and their visits, it is the one with the fewest groups.
    """
    groups = {c: len(table.column(c).unique()) for c in columns if _groups(c, table.column(c))}
    if not groups:
        return None, {}
    key = min(groups, key=lambda column: groups[column])
    same = f"`data.key` is {key!r}, so that the rows of a group are in the same split"
    hint = "If it is a feature, make it an input."
    return key, {c: f"{count:,} groups of rows; {same}. {hint}" for c, count in groups.items()}


def guess_splits(table: pa.Table, columns: Sequence[str]) -> Part | None:
    """The splits of a column that names them; None if no column does."""
    for column in columns:
        values = table.column(column)
        if not pa.types.is_string(values.type) or not _SPLIT.search(column.lower()):
            continue
        names = values.drop_null().unique().to_pylist()
        splits = {name: SPLIT_NAMES.get(name.strip().lower()) for name in names}
        if None not in splits.values() and {"train", "test"} <= set(splits.values()):
            return {"by": "column", "column": column, "values": splits}
    return None


def _groups(name: str, column: pa.ChunkedArray) -> bool:
    return column.null_count < len(column) and identifies(name, column) == "groups"


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
