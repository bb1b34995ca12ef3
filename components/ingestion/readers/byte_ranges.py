"""Splits large uncompressed text files into units at row ends."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from components.data.lazy import np, pa
from components.ingestion.readers.base import Unit
from components.ingestion.readers.limits import RECORD_BYTES, too_large

UNIT_BYTES = 1 << 26
SCAN_BYTES = 1 << 24
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4", ".br")
ASCII_LIKE = ("utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252")
"""Encodings in which the byte of a newline, quote or delimiter never is part of another character.
"""


def units_of_lines(base: Path, name: str) -> list[Unit]:
    """The units of a file in which every line is a row."""
    file = base / name
    if not _divisible(file):
        return [Unit(str(base), (name,))]
    ends, size = [0], file.stat().st_size
    with open(file, "rb") as opened:
        while ends[-1] + UNIT_BYTES < size:
            opened.seek(ends[-1] + UNIT_BYTES - 1)
            opened.readline()
            ends.append(opened.tell())
    return _units(base, name, ends if ends[-1] == size else [*ends, size])


def units_of_rows(
    base: Path, name: str, delimiter: str, quote: str, encoding: str, skip_rows: int
) -> list[Unit]:
    """The units of a delimited file in which quoted values may contain newlines.

    Whether a newline ends a row depends on the number of quotes before it, so the file is scanned
    once. The file is one unit if counting quotes is not enough: with quotes inside unquoted values,
    and with delimiters or encodings of several bytes.
    """
    file = base / name
    whole = [Unit(str(base), (name,))]
    plain = codecs.lookup(encoding).name in ASCII_LIKE
    if not plain or not _divisible(file) or not delimiter.isascii() or not quote.isascii():
        return whole
    if not quote:
        return units_of_lines(base, name)
    with open(file, "rb") as opened:
        for _ in range(skip_rows):
            opened.readline()
        start = opened.tell()
    ends = _row_ends(file, start, ord(delimiter), ord(quote))
    return whole if ends is None else _units(base, name, [0, *ends])


def _units(base: Path, name: str, bounds: Sequence[int]) -> list[Unit]:
    """The units of a file that is divided at bytes, which include its start and its end."""
    if len(bounds) == 2:
        return [Unit(str(base), (name,))]
    lines = lines_before(base / name, bounds[:-1])
    return [
        Unit(str(base), (name,), start, stop, lines=before, ranges=((start, stop),))
        for (start, stop), before in zip(pairwise(bounds), lines, strict=True)
    ]


def lines_before(file: Path, bounds: Sequence[int]) -> list[int]:
    """The number of lines before each of these bytes, counted with universal newlines.

    bounds: ascending, from 0; row ends.
    """
    counts, lines, last = [0], 0, b""
    with open(file, "rb") as opened:
        for start, stop in pairwise(bounds):
            left = stop - start
            while left and (chunk := opened.read(min(left, SCAN_BYTES))):
                left -= len(chunk)
                crossing = last == b"\r" and chunk[:1] == b"\n"
                lines += chunk.count(b"\n") + chunk.count(b"\r") - chunk.count(b"\r\n") - crossing
                last = chunk[-1:]
            counts.append(lines)
    return counts


def with_head(units: Sequence[Unit], lines: int) -> list[Unit]:
    """The units of a file of which each needs its first lines too."""
    with open(units[0].file, "rb") as opened:
        for _ in range(lines):
            opened.readline()
        head = opened.tell()
    return [replace(unit, ranges=((0, head), *unit.ranges)) for unit in units]


def opened_range(unit: Unit) -> pa.NativeFile:
    """The bytes of a unit, decompressed if its file is compressed."""
    if unit.stop is None:
        return pa.input_stream(str(unit.file), compression="detect")
    # not mapped into memory: the process would be killed if the file was cut in the meantime
    return pa.OSFile(str(unit.file)).get_stream(unit.start, unit.stop - unit.start)


def blocks_of_lines(stream: pa.NativeFile, size: int) -> Iterator[bytes]:
    """Blocks of whole lines, of about `size` bytes each.

    Raises:
        ValueError: a line is longer than `RECORD_BYTES`.
    """
    rest: list[bytes] = []
    while chunk := stream.read(size):
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            yield b"".join([*rest, head, newline])
            rest = [tail]
        else:
            rest.append(chunk)
        if problem := too_large(sum(map(len, rest)), RECORD_BYTES):
            raise ValueError(f"a line {problem}")
    if last := b"".join(rest):
        yield last


def _divisible(file: Path) -> bool:
    return file.suffix.lower() not in COMPRESSED and file.stat().st_size > UNIT_BYTES


def _row_ends(file: Path, start: int, delimiter: int, quote: int) -> list[int] | None:
    """Ends of rows, about `UNIT_BYTES` apart, the end of the file last; None if quotes do not
    follow RFC 4180.

    In RFC 4180 quotes alternately open and close a value (a doubled quote closes and opens one). So
    an opening quote follows a delimiter, a row end or a quote, and a closing one precedes one.
    """
    beside = np.zeros(256, bool)
    beside[[delimiter, quote, ord("\n"), ord("\r")]] = True
    ends: list[int] = []
    size = file.stat().st_size
    due, seen = start + UNIT_BYTES, 0
    with open(file, "rb") as opened:
        for low in range(start, size, SCAN_BYTES):
            base = max(low - 1, start)
            opened.seek(base)
            around = np.frombuffer(opened.read(low + SCAN_BYTES + 1 - base), np.uint8)
            window = around[low - base : low - base + SCAN_BYTES]
            quotes = low + np.flatnonzero(window == quote)
            opening, closing = quotes[seen % 2 :: 2], quotes[1 - seen % 2 :: 2]
            before = around[opening[opening > start] - 1 - base]
            after = around[closing[closing + 1 < size] + 1 - base]
            if not (beside[before].all() and beside[after].all()):
                return None
            while due < low + len(window):
                newlines = due + np.flatnonzero(window[due - low :] == ord("\n"))
                outside = newlines[(seen + np.searchsorted(quotes, newlines)) % 2 == 0]
                if not len(outside):
                    due = low + len(window)
                    break
                ends.append(int(outside[0]) + 1)
                due = ends[-1] + UNIT_BYTES
            seen += len(quotes)
    return ends if ends and ends[-1] == size else [*ends, size]
