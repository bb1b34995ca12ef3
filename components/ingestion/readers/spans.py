"""Spans and versions in paths, such as `day-{SPAN}/v{VERSION}/*` or `log-{YYYY}-{MM}-{DD}.csv`.

A span is a numbered part of the data, such as one day. If a span was delivered several times, the
highest version counts. The number of a date is its days since 1970-01-01, as in TFX.
"""

from __future__ import annotations

import datetime
import glob
import re
from collections.abc import Sequence
from dataclasses import replace

from components.data.objects import is_url, urls_matching
from components.errors import RootstockError
from components.ingestion.readers.base import Reader

_PLACEHOLDER = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)\}")
_DIGITS = {"SPAN": r"\d+", "VERSION": r"\d+", "YYYY": r"\d{4}", "MM": r"\d{2}", "DD": r"\d{2}"}


def has_spans(source: Reader) -> bool:
    """Whether the path of a source has placeholders."""
    return bool(_PLACEHOLDER.search(source.path))


def by_span(sources: Sequence[Reader]) -> dict[int | None, tuple[Reader, ...]]:
    """The sources of each selected span, with the placeholders in their paths replaced.

    Sources without placeholders come first, under None; then the spans in ascending order.

    Raises:
        RootstockError: no path matches the placeholders, or none of the selected spans exists.
    """
    plain = tuple(s for s in sources if not has_spans(s))
    groups: dict[int | None, tuple[Reader, ...]] = {None: plain} if plain else {}
    pairs = [pair for s in sources if s not in plain for pair in _spans_of(s)]
    for number, source in sorted(pairs, key=lambda pair: pair[0]):
        groups[number] = (*groups.get(number, ()), source)
    return groups


def resolved(sources: Sequence[Reader]) -> tuple[Reader, ...]:
    """All sources of `by_span`."""
    return tuple(source for group in by_span(sources).values() for source in group)


def _spans_of(source: Reader) -> list[tuple[int, Reader]]:
    if not (paths := _paths_by_span(source)):
        raise RootstockError(
            f"{source.path}: no spans exist. Expected files that match the pattern."
        )
    numbers = _selected(source, sorted(paths))
    return [(n, replace(source.at(paths[n]), spans="latest")) for n in numbers]


def _selected(source: Reader, numbers: list[int]) -> list[int]:
    if source.spans == "all":
        return numbers
    if source.spans == "latest":
        return numbers[-1:]
    if source.spans == "previous":
        if len(numbers) < 2:
            raise RootstockError(f"{source.path}: no span exists before {numbers[-1]}.")
        return numbers[-2:-1]
    first, last = source.spans
    if selected := [n for n in numbers if first <= n <= last]:
        return selected
    shown = ("… " if len(numbers) > 10 else "") + ", ".join(map(str, numbers[-10:]))
    raise RootstockError(f"{source.path}: no span from {first} to {last}. Existing spans: {shown}.")


def _paths_by_span(source: Reader) -> dict[int, str]:
    """The path of each span's highest version."""
    last = list(_PLACEHOLDER.finditer(source.path))[-1].end()
    end = source.path.find("/", last)
    folder, rest = (source.path, "") if end < 0 else (source.path[:end], source.path[end:])
    pattern = re.escape(folder).replace(r"\*", "[^/]*")
    for name, digits in _DIGITS.items():  # where a placeholder is repeated, so are its digits
        placeholder = re.escape(f"{{{name}}}")
        pattern = pattern.replace(placeholder, f"(?P<{name}>{digits})", 1)
        pattern = pattern.replace(placeholder, f"(?P={name})")
    versions: dict[int, tuple[int, str]] = {}
    pattern_of_all = _PLACEHOLDER.sub("*", folder)
    for path in urls_matching(pattern_of_all) if is_url(folder) else glob.glob(pattern_of_all):
        if (match := re.fullmatch(pattern, path)) is None:
            continue
        number, version = _number(match.groupdict(), path), int(match.groupdict().get("VERSION", 0))
        if number in versions and versions[number][0] == version:
            raise RootstockError(
                f"{source.path}: two paths are version {version} of span {number}:"
                f" {versions[number][1]} and {path}. Expected one: put the files of a span into one"
                " directory."
            )
        versions[number] = max(versions.get(number, (-1, "")), (version, path + rest))
    return {number: path for number, (_, path) in versions.items()}


def _number(parts: dict[str, str], path: str) -> int:
    """The number of the span in a path. parts: digits by placeholder."""
    if "SPAN" in parts:
        return int(parts["SPAN"])
    try:
        date = datetime.date(int(parts["YYYY"]), int(parts["MM"]), int(parts["DD"]))
    except KeyError as e:
        raise RootstockError(
            f"{path}: expected {{SPAN}}, or all of {{YYYY}}, {{MM}} and {{DD}}, in the pattern."
        ) from e
    except ValueError as e:
        raise RootstockError(f"{path}: {e}. Expected a date.") from e
    return (date - datetime.date(1970, 1, 1)).days
