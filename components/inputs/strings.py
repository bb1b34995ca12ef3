"""What a column of strings looks like, for guesses."""

from __future__ import annotations

from typing import Literal

from components.data.lazy import pa, pc

SENTENCE_WORDS = 4
"""Texts have at least this many words on average."""
_DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ].*)?$"


def looks_like(column: pa.ChunkedArray) -> Literal["dates", "sentences", "words"] | None:
    """What most of the strings are; None if the values are no strings."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    values = column.drop_null()
    dates = pc.match_substring_regex(values, _DATE)
    if pc.mean(dates).as_py() > 0.9:
        return "dates"
    words = pc.mean(pc.count_substring_regex(values, r"\S+")).as_py()
    return "sentences" if words >= SENTENCE_WORDS else "words"


def identifies_rows(column: pa.ChunkedArray) -> str:
    """A phrase if each row has a value of its own, as keys have; else empty."""
    is_key = len(column) > 20 and len(column.unique()) == len(column)
    return f"a value of its own in each row, such as {column[0].as_py()!r}" if is_key else ""
