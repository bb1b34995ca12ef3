"""The sources of a starter spec: the format of files, and how delimited ones are spelled."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from components.data.lazy import pa, pc
from components.data.number_texts import (
    SURELY_MISSING,
    NumberTexts,
    could_have_decimal_commas,
    numbers_in,
)
from components.data.raw_files import listing
from components.errors import RootstockError, listed
from components.ingestion.readers import Reader, Source

ROWS = 50_000
"""Number of rows that are read. They are many because some files are sorted by their label."""
MOST_NULLS = 50
"""Different texts beside numbers that may all mean a missing value."""
COMPRESSED = (".gz", ".bz2", ".zst")
FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "csv"),
    ".parquet": "parquet",
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".arrow", ".feather"), "arrow"),
    ".avro": "avro",
    **dict.fromkeys((".tfrecord", ".tfrecords"), "tfrecord"),
}
IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
FOLDERS = {**dict.fromkeys(IMAGES, "image_folder"), ".txt": "text_folder", ".eml": "mail"}
"""Formats of folders with a subfolder per class, by the suffix of the files in them."""
SPLITS = ("train", "val", "test")
PATHS = 20
"""Number of image paths of a manifest of which a file must exist."""
SourceSpec = dict[str, Any]
Counts = Mapping[str, int]


def sources_of(data: Path, base: Path) -> list[SourceSpec]:
    """The sources of the spec. A folder with subfolders such as train and test has one for each.

    base: the directory at which the paths of the spec start.
    """
    parts = [data / s for s in SPLITS if (data / s).is_dir()] if data.is_dir() else []
    sources = []
    for part in parts if len(parts) > 1 else [data]:
        source = _source(part)
        path = os.path.relpath(source["path"], base)
        source["path"] = path if not path.startswith("..") else source["path"]
        held_out = len(parts) > 1 and part.name != "train"
        sources.append(source | ({"split": part.name} if held_out else {}))
    return sources


def reader_of(source: SourceSpec, base: Path) -> Reader:
    reader: Reader = TypeAdapter(Source).validate_python(source)
    return reader.with_absolute_path(str(base))


def with_spelling(
    sources: Sequence[SourceSpec], base: Path, labels: Sequence[str]
) -> tuple[list[SourceSpec], list[str]]:
    """Delimited sources with the options that their texts ask for, and what the user should know.

    A table of image paths becomes an image manifest.
    """
    first = reader_of(sources[0], base)
    columns = first.schema(Path(first.path)).names
    as_text = {"types": dict.fromkeys(columns, "string"), "null_values": []}
    alike = [s for s in sources if reader_of(s, base).peek(1).column_names == columns]
    tables = [reader_of(source | as_text, base).peek(ROWS) for source in alike]
    texts = pa.concat_tables(tables).combine_chunks()
    counts = {name: _counts(texts.column(name)) for name in columns}
    file, paths, absent = Path(first.path), _image_column(counts), list[str]()
    if paths is not None and not (file.is_file() and _some_exist(counts[paths], file.parent)):
        absent = [
            f"{paths}: has names of images, such as {next(iter(counts[paths]))!r}, but none of them"
            f" is beside {file.name}, so that no image is read. Paths have to start at its folder."
        ]
        paths = None
    if paths is not None:
        options: SourceSpec = {"format": "image_manifest", "column": paths}
    elif _has_spaces(texts):
        options = {"strip": True}
        counts = {name: _stripped(c) for name, c in counts.items()}
    else:
        options = {}
    number_options, notes = _number_options(counts, labels)
    return [source | options | number_options for source in sources], absent + notes


def check_columns(sources: Sequence[SourceSpec], base: Path, needed: Sequence[str]) -> None:
    """Check that all sources have the columns that are read or predicted.

    Raises:
        RootstockError: one lacks some.
    """
    first, *others = (reader_of(source, base) for source in sources)
    for reader in others:
        columns = reader.peek(1).column_names
        if absent := [c for c in needed if c not in columns]:
            raise RootstockError(
                f"{reader.place} has no column {', '.join(map(repr, absent))}, which is read or"
                f" predicted, and which {first.place} has. Columns there: {', '.join(columns)}."
            )


def _number_options(
    counts: Mapping[str, Counts], labels: Sequence[str]
) -> tuple[SourceSpec, list[str]]:
    found = {name: numbers_in(c) for name, c in counts.items()}
    commas = any(n is not None and n.format == "1.234,5" for n in found.values())
    nulls: dict[str, list[str]] = {}
    formats: dict[str, str] = {}
    notes = []
    for name, numbers in found.items():
        missing: Counts = {}
        if numbers is not None and numbers.nearly_all:
            if commas and numbers.format is None and could_have_decimal_commas(counts[name]):
                formats[name] = "1.234,5"
                notes.append(
                    f"{name}: 1.234 is read as 1234, because other columns have decimal commas."
                    f" If the point is a decimal one, remove {name} from `number_formats`."
                )
            elif numbers.format is not None:
                formats[name] = numbers.format
                notes.append(f"{name}: its numbers are spelled as in {numbers.format}.")
            if len(numbers.others) <= MOST_NULLS:
                missing = {**numbers.missing, **numbers.others}
        elif name in labels:
            missing = {t: n for t, n in counts[name].items() if t.strip().lower() in SURELY_MISSING}
        if any(missing) and len(missing) < len(counts[name]):
            nulls[name] = list(dict.fromkeys(["", *missing]))
        notes += _notes(name, numbers, {t: n for t, n in missing.items() if t}, name in labels)
    options: SourceSpec = {}
    if nulls:
        options["null_values"] = nulls
    if formats:
        options["number_formats"] = formats
    return options, notes


def _notes(
    name: str, numbers: NumberTexts | None, missing: Counts, is_label: bool
) -> Iterator[str]:
    """What is guessed about a column with numbers among its texts."""
    rows = listed(sorted(missing.items(), key=lambda item: -item[1]))
    if missing:
        effect = "; these rows do not train the task" if is_label else ""
        yield f"{name}: read as missing: {rows}{effect}. If not, change `null_values`."
    if numbers is None or not numbers.others or numbers.share < 0.5:
        return
    others = listed(sorted(numbers.others.items(), key=lambda item: -item[1]))
    share = f"{name}: {numbers.share:.1%} of its values are numbers"
    if missing:
        yield f"{share}. Are the others really missing: {others}?"
    else:
        yield (
            f"{share}, but it is read as text because of {others}. If these mean missing values,"
            f" add them to the source's `null_values`, under {name!r}."
        )


def _has_spaces(texts: pa.Table) -> bool:
    """Whether the values of some column of words mostly begin or end with a space."""
    for column in texts.columns:
        spaced = pc.mean(pc.match_substring_regex(column, r"^\s+\S|\S\s+$")).as_py()
        words = pc.mean(pc.match_substring_regex(column, r"[A-Za-z]")).as_py()
        if spaced is not None and spaced > 0.9 and words > 0.3:
            return True
    return False


def _counts(column: pa.ChunkedArray) -> Counter[str]:
    pairs = column.drop_null().value_counts().to_pylist()
    return Counter({pair["values"]: pair["counts"] for pair in pairs})


def _stripped(counts: Counts) -> Counter[str]:
    stripped: Counter[str] = Counter()
    for text, rows in counts.items():
        stripped[text.strip()] += rows
    return stripped


def _image_column(counts: Mapping[str, Counts]) -> str | None:
    """The column whose values are paths of images."""
    for name, of_column in counts.items():
        paths = [text for text in of_column if text]
        images = [path for path in paths if path.lower().endswith(IMAGES)]
        if images and len(images) > 0.9 * len(paths):
            return name
    return None


def _some_exist(paths: Counts, folder: Path) -> bool:
    return any((folder / path).is_file() for path in list(filter(None, paths))[:PATHS])


def other_files(data: Path) -> list[str]:
    """A sentence about files of a folder that are not of the kind that is read; none if all are."""
    parts = [data / s for s in SPLITS if (data / s).is_dir()] if data.is_dir() else []
    notes = []
    for part in parts if len(parts) > 1 else [data]:
        names = listing(part)[1]
        kind = _suffix(_first(names))
        same = IMAGES if kind in IMAGES else (kind,)
        if others := [n for n in names if _suffix(n) not in same or _stray(n, kind)]:
            shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
            notes.append(
                f"{part}: {len(others)} of {len(names)} files are not read as {kind} files: {shown}"
            )
    return notes


def _suffix(name: str) -> str:
    suffixes = [s for s in Path(name).suffixes if s.lower() not in COMPRESSED]
    return suffixes[-1].lower() if suffixes else ""


def _stray(name: str, kind: str) -> bool:
    """Whether a file lies beside the folders of classes, or a table in a folder of its own."""
    return ("/" in name) != (kind in FOLDERS)


def _first(names: Sequence[str]) -> str:
    """The first file of the kind that most files are of, among the kinds that can be read."""
    kinds = {name: _suffix(name) for name in names}
    readable = [n for n, kind in kinds.items() if kind in FORMATS or (kind in FOLDERS and "/" in n)]
    counts = Counter(kinds[name] for name in readable)
    return max(readable, key=lambda name: counts[kinds[name]], default=names[0])


def _source(data: Path) -> SourceSpec:
    name = _first(listing(data)[1])
    suffix = _suffix(name)
    if data.is_dir() and "/" in name and suffix in FOLDERS:
        return {"format": FOLDERS[suffix], "path": str(data)}
    first = data / name if data.is_dir() else data
    if suffix not in FORMATS:
        raise RootstockError(
            f"{first}: `init` cannot read such files."
            f" Expected {', '.join(FORMATS)} (also compressed), or folders of images, .txt or .eml"
            " files by class. Other sources: docs/readers.md."
        )
    path = data / f"*{''.join(Path(name).suffixes)}" if data.is_dir() else data
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
