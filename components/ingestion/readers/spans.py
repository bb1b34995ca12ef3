"""Spans and versions in paths: `day-{SPAN}/v{VERSION}/*`, `log-{YYYY}-{MM}-{DD}.csv`.

A span is a slice of data with a number, such as a day; where it was delivered again, the highest
version counts. A date's number is its days since 1970-01-01, as TFX has it.
"""

from __future__ import annotations

import datetime
import glob
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from components.errors import RootstockError
from components.ingestion.readers.base import Reader

R = TypeVar("R", bound=Reader)
_PLACEHOLDER = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)\}")
_DIGITS = {"SPAN": r"\d+", "VERSION": r"\d+", "YYYY": r"\d{4}", "MM": r"\d{2}", "DD": r"\d{2}"}


def by_span(sources: Sequence[Reader]) -> dict[int | None, tuple[Reader, ...]]:
    """Sources with paths without placeholders, by span in ascending order; under None, first, those
    that have no spans.

    Raises:
        RootstockError: a path with placeholders has no spans, or not those that are asked for.
    """
    found: dict[int | None, tuple[Reader, ...]] = {}
    plain = tuple(s for s in sources if not _PLACEHOLDER.search(s.path))
    if plain:
        found[None] = plain
    pairs = [pair for s in sources if s not in plain for pair in _spans_of(s)]
    for number, source in sorted(pairs, key=lambda pair: pair[0]):
        found[number] = (*found.get(number, ()), source)
    return found


def resolved(sources: Sequence[Reader]) -> tuple[Reader, ...]:
    """All of `by_span`."""
    return tuple(source for group in by_span(sources).values() for source in group)


def _spans_of(source: R) -> list[tuple[int, R]]:
    there = _listed(source)
    if not there:
        raise RootstockError(f"{source.path}: no span is there. Expected files of that pattern.")
    chosen = _chosen(source, sorted(there))
    return [(n, replace(source, path=there[n], spans="latest")) for n in chosen]


def _chosen(source: Reader, numbers: list[int]) -> list[int]:
    if source.spans == "all":
        return numbers
    if source.spans == "latest":
        return numbers[-1:]
    if source.spans == "previous":
        if len(numbers) < 2:
            raise RootstockError(f"{source.path}: there is no span before {numbers[-1]}.")
        return numbers[-2:-1]
    first, last = source.spans
    if chosen := [n for n in numbers if first <= n <= last]:
        return chosen
    raise RootstockError(
        f"{source.path}: no span from {first} to {last}. Spans there: {_short(numbers)}."
    )


def _listed(source: Reader) -> dict[int, str]:
    """The path of each span's highest version."""
    last = list(_PLACEHOLDER.finditer(source.path))[-1].end()
    end = source.path.find("/", last)
    folder, rest = (source.path, "") if end < 0 else (source.path[:end], source.path[end:])
    seen: set[str] = set()
    pattern, start = "", 0
    for found in _PLACEHOLDER.finditer(folder):
        name = found[1]
        pattern += re.escape(folder[start : found.start()]).replace(r"\*", "[^/]*")
        pattern += f"(?P={name})" if name in seen else f"(?P<{name}>{_DIGITS[name]})"
        seen.add(name)
        start = found.end()
    pattern += re.escape(folder[start:]).replace(r"\*", "[^/]*")
    versions: dict[int, tuple[int, str]] = {}
    for path in glob.glob(_PLACEHOLDER.sub("*", folder)):
        if (match := re.fullmatch(pattern, path)) is None:
            continue
        number, version = _number(match.groupdict(), path), int(match.groupdict().get("VERSION", 0))
        if number in versions and versions[number][0] == version:
            raise RootstockError(
                f"{source.path}: two paths are version {version} of span {number}:"
                f" {versions[number][1]} and {path}. Expected one: put the files of a span into a"
                " directory."
            )
        if number not in versions or versions[number][0] < version:
            versions[number] = version, path + rest
    return {number: path for number, (_, path) in versions.items()}


def _number(parts: dict[str, str], path: str) -> int:
    if "SPAN" in parts:
        return int(parts["SPAN"])
    try:
        date = datetime.date(int(parts["YYYY"]), int(parts["MM"]), int(parts["DD"]))
    except KeyError as e:
        raise RootstockError(
            f"{path}: expected {{SPAN}}, or {{YYYY}}, {{MM}} and {{DD}}, in its pattern."
        ) from e
    except ValueError as e:
        raise RootstockError(f"{path}: {e}. Expected a date.") from e
    return (date - datetime.date(1970, 1, 1)).days


def _short(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[-10:]))
    return shown if len(numbers) <= 10 else f"… {shown}"
