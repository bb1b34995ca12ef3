"""`rootstock init`: writes a first spec for a data set, guessed from its first rows."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from components.data.raw_files import listing
from components.errors import RootstockError
from components.ingestion.readers import Reader, Source
from pipeline.spec.guesses import guess_input, guess_task
from pipeline.spec.load import load_spec
from pipeline.spec.names import names_of
from pipeline.spec.validate import validate

ROWS = 50_000
"""Number of rows that are read. They are many because some files are sorted by their label."""
COMPRESSED = (".gz", ".bz2", ".zst")
FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "csv"),
    ".parquet": "parquet",
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".arrow", ".feather"), "arrow"),
    ".avro": "avro",
    **dict.fromkeys((".tfrecord", ".tfrecords"), "tfrecord"),
}
FOLDERS = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".bmp"), "image_folder"),
    ".txt": "text_folder",
    ".eml": "mail",
}
"""Formats of folders with a subfolder per class, by the suffix of the files in them."""
SPLITS = ("train", "val", "test")
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
    sources = list(_sources(data.absolute(), base))
    reader: Reader = TypeAdapter(Source).validate_python(sources[0])
    table = reader.with_absolute_path(str(base)).peek(ROWS)
    folder = "class" in table.column_names and reader.format in FOLDERS.values()
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
    notes = [f"left out {column}: {reason}" for column, reason in left_out.items()]
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
    comments = "".join(f"# {line}\n" for line in (first, *notes))
    return comments + yaml.safe_dump(content, sort_keys=False, allow_unicode=True), notes


def _sources(data: Path, base: Path) -> Iterator[dict[str, Any]]:
    """The sources of the spec. A folder with subfolders such as train and test has one for each."""
    parts = [data / s for s in SPLITS if (data / s).is_dir()] if data.is_dir() else []
    for part in parts if len(parts) > 1 else [data]:
        source = _source(part)
        path = os.path.relpath(source["path"], base)
        source["path"] = path if not path.startswith("..") else source["path"]
        held_out = len(parts) > 1 and part.name != "train"
        yield source | ({"split": part.name} if held_out else {})


def _source(data: Path) -> dict[str, Any]:
    _, names = listing(data)
    suffixes = [s for s in Path(names[0]).suffixes if s.lower() not in COMPRESSED]
    suffix = suffixes[-1].lower() if suffixes else ""
    if data.is_dir() and "/" in names[0] and suffix in FOLDERS:
        return {"format": FOLDERS[suffix], "path": str(data)}
    first = data / names[0] if data.is_dir() else data
    if suffix not in FORMATS:
        raise RootstockError(
            f"{first}: `init` cannot read such files."
            f" Expected {', '.join(FORMATS)} (also compressed), or folders of images, .txt or .eml"
            " files by class. Other sources: docs/readers.md."
        )
    path = data / f"*{''.join(Path(names[0]).suffixes)}" if data.is_dir() else data
    source = {"format": FORMATS[suffix], "path": str(path)}
    return source | (_dialect(first) if source["format"] == "csv" else {})


def _dialect(file: Path) -> dict[str, str]:
    if ".tsv" in file.suffixes or ".tab" in file.suffixes:
        return {"delimiter": "\t"}
    if file.suffix.lower() in COMPRESSED:
        return {}
    with file.open(encoding="utf-8", errors="replace") as opened:
        header = opened.readline()
    try:
        delimiter = csv.Sniffer().sniff(header, delimiters=",;\t|").delimiter
    except csv.Error:  # one column
        return {}
    return {} if delimiter == "," else {"delimiter": delimiter}


def _splits(held_out: set[str]) -> dict[str, Any]:
    """How to split the rows of the other sources, if some sources are a whole split."""
    if not held_out:
        return {}
    if "test" not in held_out:
        return {"splits": {"train": 0.8, "val": 0.0, "test": 0.2}}
    val = 0.0 if "val" in held_out else 0.1
    return {"splits": {"train": 1.0 - val, "val": val, "test": 0.0}}
