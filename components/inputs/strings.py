"""What a column of strings looks like, for guesses."""

from __future__ import annotations

from typing import Literal

from components.data.lazy import pa, pc
from models.inputs.categorical import DateFormat

SENTENCE_WORDS = 4
"""Texts have at least this many words on average."""
REPEATED = 20
"""Values with so many rows each, on average, are categories, however many words they have."""
_MONTH, _DAY, _TIME = "(0?[1-9]|1[0-2])", "(0?[1-9]|[12][0-9]|3[01])", "([T ].*)?$"
_DATES: dict[DateFormat, str] = {
    "y-m-d": f"^[0-9]{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]){_TIME}",
    "y/m/d": f"^[0-9]{{4}}/{_MONTH}/{_DAY}{_TIME}",
    "m/d/y": f"^{_MONTH}/{_DAY}/[0-9]{{4}}{_TIME}",
    "d/m/y": f"^{_DAY}/{_MONTH}/[0-9]{{4}}{_TIME}",
    "d.m.y": f"^{_DAY}[.]{_MONTH}[.][0-9]{{4}}{_TIME}",
}


def looks_like(column: pa.ChunkedArray) -> Literal["dates", "sentences", "words"] | None:
    """What most of the strings are; None if the values are no strings."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    values = column.drop_null()
    if date_formats(values):
        return "dates"
    words = pc.mean(pc.count_substring_regex(values, r"\S+")).as_py()
    repeated = len(values) >= REPEATED * len(values.unique())
    return "sentences" if words >= SENTENCE_WORDS and not repeated else "words"


def date_formats(values: pa.ChunkedArray) -> list[DateFormat]:
    """The formats that most of the values have, the best first: 1/2/2024 has two."""
    shares = {f: pc.mean(pc.match_substring_regex(values, p)).as_py() for f, p in _DATES.items()}
    known = [date_format for date_format, share in shares.items() if (share or 0) > 0.9]
    return sorted(known, key=lambda date_format: -(shares[date_format] or 0))


def identifies_rows(column: pa.ChunkedArray) -> str:
    """A phrase if each row has a value of its own, as keys have; else empty."""
    is_key = len(column) > 20 and len(column.unique()) == len(column)
    return f"a value of its own in each row, such as {column[0].as_py()!r}" if is_key else ""
