"""`rootstock init`: a first spec for data, from a look at its first rows."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from components.errors import RootstockError
from components.ingestion.readers import Reader, Source
from components.ingestion.readers.files import listing
from pipeline.spec.guesses import guess_input, guess_task
from pipeline.spec.load import load_spec
from pipeline.spec.validate import validate

ROWS = 50_000
"""How many rows are looked at: some files are sorted by what is to be predicted."""
COMPRESSED = (".gz", ".bz2", ".zst")
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".avro": "avro",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
}
FOLDERS = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".bmp"), "image_folder"),
    ".txt": "text_folder",
    ".eml": "mail",
}
"""Formats of folders of classes, by the files in them."""
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Starter:
    """A spec in YAML, and what there is to say of it."""

    text: str
    notes: tuple[str, ...]


def write_starter(data: Path, labels: Sequence[str], target: Path) -> tuple[str, ...]:
    """Write a spec for data, which is valid; what to know of it.

    labels: columns to predict; of folders of classes, the class when empty.

    Raises:
        RootstockError: the spec is there already; the data cannot be read; a label is none of its
            columns, or none is given.
    """
    if target.exists():
        raise RootstockError(f"{target} is there already. Name another file with --output.")
    made = starter(data, labels, target.resolve().parent)
    target.write_text(made.text, encoding="utf-8")
    if wrong := validate(load_spec(target)[0]):
        raise RootstockError("\n".join([f"{target} is a beginning, and has to be mended:", *wrong]))
    return made.notes


def starter(data: Path, labels: Sequence[str], base: Path) -> Starter:
    """See `write_starter`. base: the directory that paths in the spec start from."""
    sources = list(_sources(data.absolute(), base))
    reader: Reader = TypeAdapter(Source).validate_python(sources[0])
    table = reader.located(str(base)).peek(ROWS)
    folder = "class" in table.column_names and reader.format in FOLDERS.values()
    labels = labels or (["class"] if folder else [])
    columns = ", ".join(table.column_names)
    if not labels:
        raise RootstockError(
            f"{data}: which columns are to be predicted? Name each with --label. Columns there:"
            f" {columns}."
        )
    if unknown := next((c for c in labels if c not in table.column_names), None):
        raise RootstockError(f"--label {unknown}: no such column in {data}. Columns: {columns}.")
    tasks = {_name(label): guess_task(table.column(label), label) for label in labels}
    inputs, notes = {}, []
    for name in table.column_names:
        if name in labels or (folder and name in ("class", "path")):
            continue
        found = guess_input(name, table.column(name))
        if isinstance(found, str):
            notes.append(f"left out {name}: {found}")
        else:
            inputs[_name(name)] = found | ({} if _name(name) == name else {"column": name})
    if not inputs:
        raise RootstockError(f"{data}: no column is left to predict from. " + "; ".join(notes))
    given = {s.get("split") for s in sources}
    content: dict[str, Any] = {
        "name": re.sub(r"^[^A-Za-z]+|[^A-Za-z0-9_-]+", "", _stem(data)) or "first",
        "data": {"sources": sources, **_splits(given)},
        "inputs": inputs,
        "tasks": tasks,
        "training": {"epochs": 10, "early_stopping": {"monitor": "val_loss"}},
    }
    return Starter(_written(content, notes, table.num_rows), tuple(notes))


def _sources(data: Path, base: Path) -> Iterator[dict[str, Any]]:
    """As a spec has them; a folder of train and test is a source for each."""
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
    if suffix not in FORMATS:
        raise RootstockError(
            f"{data / names[0] if data.is_dir() else data}: `init` does not know such files."
            f" Expected {', '.join(FORMATS)} (also compressed), or folders of images, .txt or .eml"
            " files by class. Other sources: docs/readers.md."
        )
    path = str(data / f"*{''.join(Path(names[0]).suffixes)}") if data.is_dir() else str(data)
    source = {"format": FORMATS[suffix], "path": path}
    first = data / names[0] if data.is_dir() else data
    return source | (_dialect(first) if source["format"] == "csv" else {})


def _dialect(file: Path) -> dict[str, str]:
    if ".tsv" in file.suffixes or ".tab" in file.suffixes:
        return {"delimiter": "\t"}
    if file.suffix.lower() in COMPRESSED:
        return {}
    with file.open(encoding="utf-8", errors="replace") as opened:
        header = opened.readline()
    try:
        found = csv.Sniffer().sniff(header, delimiters=",;\t|").delimiter
    except csv.Error:  # one column
        return {}
    return {} if found == "," else {"delimiter": found}


def _splits(given: set[str | None]) -> dict[str, Any]:
    """Shares of rows for the splits that no source is."""
    if not given - {None}:
        return {}
    left = {"train": 0.9, "val": 0.0 if "val" in given else 0.1, "test": 0.0}
    left["train"] = 1.0 - left["val"]
    if "test" not in given:
        left = {"train": 0.8, "val": 0.0, "test": 0.2}
    return {"splits": left}


def _name(column: str) -> str:
    """Of a column, as inputs and tasks may be called."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", re.sub(r"^[^A-Za-z]+", "", column)) or "column"


def _stem(data: Path) -> str:
    return data.name.split(".")[0]


def _written(content: dict[str, Any], notes: Sequence[str], rows: int) -> str:
    lines = [f"# Guessed from {rows:,} rows by `rootstock init`: look it over. Keys: docs/spec.md."]
    lines += [f"# {note}" for note in notes]
    return "\n".join(lines) + "\n" + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
