"""One of a set of values: looked up in a vocabulary, hashed, or taken from a date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.inputs.base import RESERVED, Feature, Input, RawType, Tabular

DatePart = Literal["year", "month", "day", "weekday", "hour"]
PARTS: dict[DatePart, int] = {"year": 200, "month": 12, "day": 31, "weekday": 7, "hour": 24}
"""How many values a part of a date has; years begin with `FIRST_YEAR`, weekdays on Monday."""
FIRST_YEAR = 1900
DateFormat = Literal["y-m-d", "y/m/d", "m/d/y", "d/m/y", "d.m.y"]
"""The order of year, month and day, the year with four digits; a time may follow a space or T."""


@dataclass(frozen=True, kw_only=True)
class CategoricalInput(Input):
    """One of a set of values seen in training; id 0 means missing, id 1 any other value.

    max_values: most frequent training values to keep.
    min_rows: training rows of a value, at least; rarer ones count as unknown, so that the model
        learns what an unknown value means. If absent, one in ten thousand rows, at most 10.
    buckets: hash values into this many ids instead, for sets that never end.
    part: of a date or time that is the value; id 1 means no date. date_format: of these dates;
        `y-m-d` is ISO 8601.
    """

    kind: Literal["categorical"] = "categorical"
    raw: ClassVar[RawType] = "text"
    max_values: Annotated[int, Field(ge=1)] = 10_000
    min_rows: Annotated[int, Field(ge=1)] | None = None
    buckets: Annotated[int, Field(ge=2)] | None = None
    part: DatePart | None = None
    date_format: DateFormat = "y-m-d"

    def __post_init__(self) -> None:
        if self.buckets is not None and self.part is not None:
            raise ValueError("expected `buckets` or `part`, received both")


@dataclass(frozen=True, kw_only=True)
class CategoricalFeature(Feature):
    """Raw: string [batch]. Preprocessed: int32 [batch]; 0 is missing (""), 1 is unknown, and
    2 + i is `vocabulary[i]`; or bucket i of a hash, or value i of a part of a date, from 0.
    """

    kind: Literal["categorical"] = "categorical"
    raw: ClassVar[RawType] = "text"
    tabular: ClassVar[Tabular] = "category"
    dtype: ClassVar[str] = "int32"
    vocabulary: tuple[str, ...] = ()
    buckets: int | None = None
    part: DatePart | None = None
    date_format: DateFormat = "y-m-d"

    @property
    def ids(self) -> int:
        if self.part is not None:
            return RESERVED + PARTS[self.part]
        return RESERVED + (self.buckets or len(self.vocabulary))

    @property
    def preparation(self) -> str:
        if self.part is not None:
            first = {"year": FIRST_YEAR, "month": 1, "day": 1}.get(self.part, 0)
            monday = " (Monday is 0)" if self.part == "weekday" else ""
            return (
                f"2 plus the {self.part} of the date{monday} minus {first}; 0 if it is missing, 1"
                " if it is no date"
            )
        if self.buckets is not None:
            return (
                f"2 plus FarmHash's Fingerprint64 of its UTF-8 bytes modulo {self.buckets}; 0 if it"
                " is missing"
            )
        return "the id of the value in `words`; 0 if it is missing, 1 for another value"

    @property
    def words(self) -> tuple[str, ...]:
        return self.vocabulary

    @property
    def known_values(self) -> int | None:
        return len(self.vocabulary) if self.part is None and self.buckets is None else None

    @property
    def choices(self) -> tuple[str, ...]:
        return self.vocabulary

    @property
    def usual(self) -> str | None:
        return self.vocabulary[0] if self.vocabulary else None

    @property
    def spelling(self) -> str:
        if self.part is None:
            return ""
        date = self.date_format.replace("y", "2024").replace("m", "01").replace("d", "31")
        return f"{date} 17:30" if self.part == "hour" else date
