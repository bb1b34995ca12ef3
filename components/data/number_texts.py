"""Numbers that are written as text: how they are spelled, and which texts mean a missing one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, cast

from pydantic import AfterValidator

from components.data.lazy import pa, pc

Spelling = Literal["1.234,5", "1,234.5"]
"""With a decimal comma or with signs between thousands, each shown by an example."""
_UNIT = (
    "[$\u20ac\u00a3\u00a5\u20b9%]|USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF"
    "|TRY|BRL|MXN|ZAR|KRW|SGD|HKD"
)
_FORMAT = re.compile(f"({_UNIT})?(?: ?)(1[.]234,5|1,234[.]5)(?: ?)({_UNIT})?")


def _checked(text: str) -> str:
    if not (found := _FORMAT.fullmatch(text)) or (found[1] and found[3]):
        raise ValueError(
            "expected '1,234.5' or '1.234,5', perhaps with a unit before or after it: %, the sign"
            " of a currency or its three letters, as in '$1,234.5' or '1.234,5 EUR'"
        )
    return text


NumberFormat = Annotated[str, AfterValidator(_checked)]
"""A spelling, perhaps with a unit before or after it, such as `$1,234.5`, `1.234,5 EUR` or
`1,234.5 %`. Numbers with another unit, or without, are not of that format."""

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
_SPELLED: Mapping[Spelling, str] = {
    "1.234,5": f"^[+-]?({_THOUSANDS.format('.' + _SPACES)})(,[0-9]+)?{_EXPONENT}",
    "1,234.5": f"^[+-]?({_THOUSANDS.format(',' + _SPACES)})([.][0-9]+)?{_EXPONENT}",
}
FIRST: tuple[Spelling, ...] = ("1,234.5", "1.234,5")
"""The spelling that is taken where both fit comes first."""
_BETWEEN: Mapping[Spelling, str] = {"1.234,5": f"[.{_SPACES}]", "1,234.5": f"[,{_SPACES}]"}
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
    if (unit := _common_unit(values, counts)) is not None:
        return _with_unit(*unit, counts, values, missing)
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


def _common_unit(values: Mapping[str, str], counts: Mapping[str, int]) -> tuple[str, str] | None:
    """The unit before and after most of the numbers of a column, one of them empty; None if most of
    its texts are no numbers with one unit.
    """
    pattern = re.compile(_affixed(f"({_UNIT})?", f"({_UNIT})?"))
    units: Counter[tuple[str, str]] = Counter()
    for text, value in values.items():
        if (found := pattern.fullmatch(value)) and bool(found[2]) != bool(found[4]):
            units[found[2] or "", found[4] or ""] += counts[text]
    (unit, rows), *_ = *units.most_common(1), (("", ""), 0)
    return unit if rows and rows >= NEARLY_ALL * sum(counts[t] for t in values) else None


def _with_unit(
    before: str,
    after: str,
    counts: Mapping[str, int],
    values: Mapping[str, str],
    missing: Mapping[str, int],
) -> NumberTexts | None:
    pattern = re.compile(_affixed(re.escape(before), re.escape(after)))
    found = {text: pattern.fullmatch(value) for text, value in values.items()}
    bare = {text: f"{one[1]}{one[2]}" for text, one in found.items() if one is not None}
    if any(_CODE.match(number) for number in bare.values()):
        return None
    numbers = {
        spelling: {text for text, number in bare.items() if re.match(spelled, number)}
        for spelling, spelled in _SPELLED.items()
    }
    of_spelling = {spelling: sum(counts[t] for t in numbers[spelling]) for spelling in FIRST}
    best = max(FIRST, key=lambda spelling: of_spelling[spelling])  # the first of equals
    rows = of_spelling[best]
    others = {text: counts[text] for text in values if text not in numbers[best]}
    written = f"{before}{best}{f' {after}' if after else ''}"
    return NumberTexts(rows, len(numbers[best]), written, missing, others) if rows else None


def _affixed(before: str, after: str) -> str:
    """A pattern of numbers with a unit: a sign, and the number. before, after: patterns too."""
    spaces = "[ \u00a0\u202f]?"
    return f"^([+-]?){before}{spaces}([+-]?[0-9].*?){spaces}{after}$"


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
    before, core, after = _parts(spelling)
    texts = pc.utf8_trim_whitespace(column)
    if before or after:
        own, affixed = texts, _affixed(re.escape(before), re.escape(after))
        texts = pc.replace_substring_regex(own, affixed, r"\1\2")
        texts = pc.if_else(pc.match_substring_regex(own, affixed), texts, pa.scalar(""))
    fits = pc.fill_null(pc.match_substring_regex(texts, _SPELLED[core]), False)
    digits = pc.replace_substring_regex(texts, _BETWEEN[core], "")
    digits = pc.replace_substring(digits, ",", ".")
    return pc.if_else(fits, digits, pa.scalar(None, pa.string())), fits


def _parts(spelling: NumberFormat) -> tuple[str, Spelling, str]:
    """The unit before, the spelling and the unit after."""
    found = _FORMAT.fullmatch(spelling)
    assert found is not None, spelling
    return found[1] or "", cast(Spelling, found[2]), found[3] or ""
