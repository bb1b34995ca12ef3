"""Numbers that are written as text: how they are spelled, and which texts mean a missing one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.data.lazy import pa, pc

NumberFormat = Literal["1.234,5", "1,234.5"]
"""Spellings with a decimal comma or with signs between thousands, each shown by an example."""

NEARLY_ALL = 0.95
"""Share of the values from which a column is one of numbers."""
FEW_NUMBERS = 10
"""Columns with at most so many different numbers may as well be codes."""
SURELY_MISSING = frozenset(
    {
        *("", "n/a", "na", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "null", "(null)", "\\n"),
        *("nil", "?", "missing", "not available", "not applicable", "not reported"),
        *("#div/0!", "#value!", "#ref!", "#null!", "#num!"),
    }
)
"""In lower case. They mean a missing value in any column."""
PERHAPS_MISSING = frozenset(
    ("none", "-", "--", "\u2013", "\u2014", ".", "..", "empty", "unknown", "void")
)
"""In lower case. They mean a missing value among numbers; elsewhere they may be values."""

_THOUSANDS = "[1-9][0-9]{{0,2}}([{}][0-9]{{3}})+|[0-9]+"
_EXPONENT = "([eE][+-]?[0-9]+)?$"
_SPACES = " \u00a0\u202f'\u2019"
_PLAIN = f"^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+){_EXPONENT}"
_SPELLED: Mapping[NumberFormat, str] = {
    "1.234,5": f"^[+-]?({_THOUSANDS.format('.' + _SPACES)})(,[0-9]+)?{_EXPONENT}",
    "1,234.5": f"^[+-]?({_THOUSANDS.format(',' + _SPACES)})([.][0-9]+)?{_EXPONENT}",
}
_BETWEEN: Mapping[NumberFormat, str] = {"1.234,5": f"[.{_SPACES}]", "1,234.5": f"[,{_SPACES}]"}
_CODE = re.compile("[+-]?0[0-9]|[+-]?[0-9]{19}")
"""Leading zeros, as in postal codes, and integers that 64 bits cannot hold."""


@dataclass(frozen=True)
class NumberTexts:
    """A column of texts that has numbers.

    numbers: rows with a number. distinct: how many different ones. format: their spelling; None for
    that of programming languages. missing: rows by text that usually means a missing value.
    others: rows by text that is neither.
    """

    numbers: int
    distinct: int
    format: NumberFormat | None
    missing: Mapping[str, int]
    others: Mapping[str, int]

    @property
    def share(self) -> float:
        """Of the numbers among the values that are not missing."""
        return self.numbers / (self.numbers + sum(self.others.values()))

    @property
    def nearly_all(self) -> bool:
        """Whether it is a column of numbers. Few different ones beside a text such as `none` may
        be codes, and `none` one of them.
        """
        unsure = self.others or any(
            text.strip().lower() in PERHAPS_MISSING for text in self.missing
        )
        return self.share >= NEARLY_ALL and not (unsure and self.distinct <= FEW_NUMBERS)


def numbers_in(counts: Mapping[str, int]) -> NumberTexts | None:
    """What a column of texts says about numbers; None if it has none, or codes such as 00501.

    counts: rows by text.
    """
    marks = SURELY_MISSING | PERHAPS_MISSING
    missing = {text: n for text, n in counts.items() if text.strip().lower() in marks}
    values = {text: text.strip() for text in counts if text not in missing}
    if any(_CODE.match(value) for value in values.values()):
        return None
    patterns: dict[NumberFormat | None, str] = {None: _PLAIN, "1,234.5": _SPELLED["1,234.5"]}
    patterns["1.234,5"] = _SPELLED["1.234,5"]
    numbers = {
        spelling: {text for text, value in values.items() if re.match(pattern, value)}
        for spelling, pattern in patterns.items()
    }
    rows = {spelling: sum(counts[t] for t in texts) for spelling, texts in numbers.items()}
    best = max(rows, key=lambda spelling: rows[spelling])  # the first of equals
    if not rows[best]:
        return None
    others = {text: counts[text] for text in values if text not in numbers[best]}
    return NumberTexts(rows[best], len(numbers[best]), best, missing, others)


def marks_in(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The texts of a column that mean a missing value in any column, with their rows."""
    return [(t, n) for t, n in counts.items() if t and t.strip().lower() in SURELY_MISSING]


def could_have_decimal_commas(counts: Mapping[str, int]) -> bool:
    """Whether all numbers could be read so: 1.234 is one number here and another elsewhere."""
    marks, pattern = SURELY_MISSING | PERHAPS_MISSING, re.compile(_SPELLED["1.234,5"])
    values = [text.strip() for text in counts if text.strip().lower() not in marks]
    return any("." in v for v in values) and all(pattern.match(value) for value in values)


def plain(column: pa.Array, spelling: NumberFormat) -> tuple[pa.Array, pa.Array]:
    """Texts of numbers in the spelling of programming languages, and which texts have that format.

    Texts of another format become null.
    """
    texts = pc.utf8_trim_whitespace(column)
    fits = pc.fill_null(pc.match_substring_regex(texts, _SPELLED[spelling]), False)
    digits = pc.replace_substring_regex(texts, _BETWEEN[spelling], "")
    digits = pc.replace_substring(digits, ",", ".")
    return pc.if_else(fits, digits, pa.scalar(None, pa.string())), fits
