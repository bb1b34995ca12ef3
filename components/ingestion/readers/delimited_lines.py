"""The rows of a delimited file with their line numbers and their text, to explain bad records.

Slower than Arrow's parser, which does not tell lines, and used only for headers and where there are
bad records.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import RootstockError
from components.ingestion.readers.base import Unit
from components.ingestion.readers.byte_ranges import opened_range
from components.ingestion.readers.files import reading
from components.ingestion.readers.limits import RECORD_BYTES


@dataclass(frozen=True)
class Dialect:
    """How a file is delimited: see the options of `CsvReader`."""

    delimiter: str
    quote: str
    encoding: str
    skip_rows: int


@dataclass(frozen=True)
class Row:
    """A row that is not empty.

    first, last: its line numbers in the file. problem: why its quotes are wrong, although it could
    be read; empty if they are not.
    """

    values: list[str]
    first: int
    last: int
    problem: str

    @property
    def lines(self) -> int:
        return self.last - self.first + 1


def rows_of(unit: Unit, dialect: Dialect) -> Generator[Row]:
    """All rows of a unit, with the header if the unit is at the start of its file.

    Raises:
        RootstockError: the file cannot be read, or a row is too long.
    """
    skip = 0 if unit.start else dialect.skip_rows
    before = skip + unit.lines
    utf8 = dialect.encoding.lower() in ("utf-8", "utf8")
    encoding = "utf-8-sig" if utf8 else dialect.encoding
    with (
        reading(unit.file, "cannot be read as delimited text", csv.Error),
        opened_range(unit) as stream,
        io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="") as text,
    ):
        lines = _KeptLines(text, unit.file, before)
        for _ in range(skip):
            next(lines, None)
            lines.taken()
        rows = _parsed(lines, dialect)
        first = before + 1
        for values in rows:
            last = before + rows.line_num
            kept = lines.taken()
            if values:
                yield Row(values, first, last, _problem(kept, dialect))
            first = last + 1


def _parsed(lines: Any, dialect: Dialect, strict: bool = False) -> Any:
    csv.field_size_limit(sys.maxsize)
    if not dialect.quote:
        return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=strict)


def _problem(lines: Sequence[str], dialect: Dialect) -> str:
    """Why the lines are no single row whose quotes are closed; empty if they are."""
    if not dialect.quote or not any(dialect.quote in line for line in lines):
        return ""
    closed = lines[-1].endswith(("\n", "\r")) or lines[-1].count(dialect.quote) % 2 == 0
    if len(lines) == 1 and closed:
        return ""
    try:
        if len(list(_parsed(lines, dialect, strict=True))) == 1:
            return ""
    except csv.Error:
        pass
    more = f", so the record goes on for {len(lines):,} lines" if len(lines) > 1 else ""
    return f"a quote is not closed{more}"


class _KeptLines:
    """Lines of a text, kept until they are taken, to see what a row was made of."""

    def __init__(self, text: io.TextIOWrapper, file: Path, before: int) -> None:
        self._text, self._file, self._line = text, file, before
        self._kept: list[str] = []
        self._size = 0

    def __iter__(self) -> _KeptLines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(RECORD_BYTES)
        if not line:
            raise StopIteration
        self._kept.append(line)
        self._size += len(line)
        self._line += 1
        if self._size >= RECORD_BYTES:
            raise RootstockError(
                f"{self._file}, line {self._line - len(self._kept) + 1}: a row is longer than"
                f" {RECORD_BYTES >> 20} MiB. Expected delimited text: is a quote not closed?"
            )
        return line

    def taken(self) -> list[str]:
        """The lines since the last call."""
        lines, self._kept, self._size = self._kept, [], 0
        return lines
