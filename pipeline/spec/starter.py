"""`rootstock init`: writes a first spec for a data set, guessed from its first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from components.errors import RootstockError
from pipeline.spec.guesses import guess_input, guess_task
from pipeline.spec.load import load_spec
from pipeline.spec.names import names_of
from pipeline.spec.starter_sources import FOLDERS, ROWS, reader_of, sources_of, with_spelling
from pipeline.spec.validate import validate

KEY = "identifies the row: rows of the same file are in the same split"


def write_starter(data: Path, labels: Sequence[str], target: Path) -> tuple[str, ...]:
    """Write a valid spec for some data, and return notes on it for the user.

    labels: columns to predict; may be empty for folders of classes, where the class is predicted.

    Raises:
        RootstockError: `target` exists; the data cannot be read; a label is missing or no column.
    """
    if target.exists():
        raise RootstockError(f"{target} exists already. Name another file with --output.")
    text, notes = _starter(data, labels, target.resolve().parent)
    target.write_text(text, encoding="utf-8")
    if problems := validate(load_spec(target)[0]):
        message = f"{target} was written, but has to be corrected before it can run:"
        raise RootstockError("\n".join([message, *problems]))
    return tuple(notes)


def _starter(data: Path, labels: Sequence[str], base: Path) -> tuple[str, list[str]]:
    """The spec in YAML, and notes on it. base: the directory at which its paths start."""
    sources, spelling = sources_of(data.absolute(), base), list[str]()
    if sources[0]["format"] == "csv":
        sources, spelling = with_spelling(sources, base, labels)
    table = reader_of(sources[0], base).peek(ROWS)
    folder = "class" in table.column_names and sources[0]["format"] in FOLDERS.values()
    labels = labels or (["class"] if folder else [])
    columns = ", ".join(table.column_names)
    if not labels:
        raise RootstockError(
            f"{data}: which columns should be predicted? Name each with --label. Columns there:"
            f" {columns}."
        )
    if unknown := next((c for c in labels if c not in table.column_names), None):
        raise RootstockError(f"--label {unknown}: no such column in {data}. Columns: {columns}.")
    names = names_of(table.column_names)
    tasks = {names[label]: guess_task(table.column(label), label) for label in labels}
    inputs, left_out = {}, {}
    for column in table.column_names:
        name = names[column]
        if column in labels:
            continue
        if folder and column in ("class", "path"):
            left_out[column] = "the folder, which is the class" if column == "class" else KEY
            continue
        guess = guess_input(column, table.column(column))
        if isinstance(guess, str):
            left_out[column] = guess
        else:
            inputs[name] = guess | ({} if name == column else {"column": column})
    read = [i.get("column", name) for name, i in inputs.items()]
    accounted = sorted([*read, *dict.fromkeys(labels), *left_out])
    assert accounted == sorted(table.column_names), "a column is lost"
    notes = [f"left out {column}: {reason}" for column, reason in left_out.items()] + spelling
    if not inputs:
        raise RootstockError(f"{data}: no column is left to predict from. " + "; ".join(notes))
    held_out = {s["split"] for s in sources if "split" in s}
    content: dict[str, Any] = {
        "name": re.sub(r"^[^A-Za-z]+|[^A-Za-z0-9_-]+", "", data.name.split(".")[0]) or "first",
        "data": {"sources": sources, **_splits(held_out)},
        "inputs": inputs,
        "tasks": tasks,
        "training": {"epochs": 10, "early_stopping": {"monitor": "val_loss"}},
    }
    rows = f"{table.num_rows:,} rows"
    first = f"Guessed from {rows} by `rootstock init`: check it. Keys: docs/spec.md."
    columns = f"{len(accounted)} columns: {len(read)} read, {len(tasks)} predicted"
    columns += f", {len(left_out)} left out" if left_out else ""
    notes.insert(0, f"{columns}.")
    comments = "".join(f"# {' '.join(line.split())}\n" for line in (first, *notes))
    return comments + yaml.safe_dump(content, sort_keys=False, allow_unicode=True), notes


def _splits(held_out: set[str]) -> dict[str, Any]:
    """How to split the rows of the other sources, if some sources are a whole split."""
    if not held_out:
        return {}
    if "test" not in held_out:
        return {"splits": {"train": 0.8, "val": 0.0, "test": 0.2}}
    val = 0.0 if "val" in held_out else 0.1
    return {"splits": {"train": 1.0 - val, "val": val, "test": 0.0}}
