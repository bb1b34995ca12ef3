"""Numbers that are written as text."""

from __future__ import annotations

import pyarrow as pa
import pytest

from components.data.number_texts import NumberFormat, could_have_decimal_commas, numbers_in, plain

MANY = {f"{i}.5": 10 for i in range(300)}
COMMAS = {f"{i},25": 10 for i in range(300)}
MARKS = [
    "n/a",
    "NA",
    "null",
    "None",
    "-",
    "?",
    "nan",
    "NaN",
    "",
    " ",
    "empty",
    "#N/A",
    "N/A ",
    "\u2013",
]


@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_missing_values_do_not_make_a_column_of_numbers_text(mark: str) -> None:
    found = numbers_in({**MANY, mark: 5})
    assert found is not None
    assert (found.nearly_all, found.share, found.format) == (True, 1.0, None)
    assert (found.missing, found.others) == ({mark: 5}, {})


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (COMMAS, "1.234,5"),
        ({**COMMAS, "1.234,5": 1, "-1.234.567": 1, "n/a": 3}, "1.234,5"),
        ({"12 345,6": 5, "7,1": 5}, "1.234,5"),
        ({"0,123": 5, "0,456": 5}, "1.234,5"),
        ({"1,234.5": 5, "17.25": 5}, "1,234.5"),
        ({"1,234": 5, "21,000": 5, "7": 3}, "1,234.5"),
        ({"1'234.5": 5, "17.25": 5}, "1,234.5"),
        ({"$1,234.50": 5, "-$7": 3, "$ 5.25": 1, "n/a": 2}, "$1,234.5"),
        ({"1.234,50 \u20ac": 5, "7\u20ac": 3}, "1.234,5 \u20ac"),
        ({"37 %": 5, "5%": 3}, "1,234.5 %"),
        ({"EUR 12": 5, "EUR 1,200": 3}, "EUR1,234.5"),
        ({"1.5": 5, "-2": 5, "1e-3": 1, ".5": 1, "3.": 1}, None),
    ],
)
def test_spellings(counts: dict[str, int], expected: str | None) -> None:
    found = numbers_in(counts)
    assert found is not None
    assert (found.format, found.others) == (expected, {})


@pytest.mark.parametrize(
    "counts",
    [
        {"red": 5, "blue": 3},
        {"00501": 5, "10001": 5},
        {"12345678901234567890": 1, "5": 1},
        {"n/a": 5},
        {},
        {"2024-01-02": 5},
        {"1.2.3.4": 5},
    ],
)
def test_codes_and_words_are_no_numbers(counts: dict[str, int]) -> None:
    assert numbers_in(counts) is None


def test_a_few_other_texts_and_codes_beside_none() -> None:
    found = numbers_in({**MANY, "error 17": 100})
    assert found is not None
    assert (found.nearly_all, found.others) == (True, {"error 17": 100})
    found = numbers_in({**MANY, "red": 1000})
    assert found is not None
    assert (found.nearly_all, found.share) == (False, 0.75)
    grades = {"1": 100, "2": 100, "3": 100}
    assert not numbers_in({**grades, "none": 5}).nearly_all  # type: ignore[union-attr]
    assert numbers_in({**grades, "NA": 5}).nearly_all  # type: ignore[union-attr]


def test_points_that_may_stand_between_thousands() -> None:
    assert could_have_decimal_commas({"1.234": 1, "17.000": 1, "n/a": 1})
    assert not could_have_decimal_commas({"1.234": 1, "17.25": 1})
    assert not could_have_decimal_commas({"1": 1, "2": 1})


@pytest.mark.parametrize(
    ("spelling", "text", "expected"),
    [
        ("1.234,5", "1.234.567,5", 1234567.5),
        ("1.234,5", " -3,14", -3.14),
        ("1.234,5", "1 234,5", 1234.5),
        ("1.234,5", "3.14", None),
        ("1.234,5", "12.34,5", None),
        ("1,234.5", "1,234,567.5", 1234567.5),
        ("1,234.5", "3,14", None),
        ("1,234.5", "red", None),
        ("1,234.5", None, None),
    ],
)
def test_numbers_in_the_spelling_of_programs(
    spelling: NumberFormat, text: str | None, expected: float | None
) -> None:
    numbers, fits = plain(pa.array([text], pa.string()), spelling)
    assert numbers.cast(pa.float64()).to_pylist() == [expected]
    assert fits.to_pylist() == [expected is not None]


@pytest.mark.parametrize(
    ("texts", "spelling", "expected"),
    [
        (["$1,234.50", "-$7", "$-7", "7", "\u20ac7"], "$1,234.5", ["1234.50", "-7", "-7", "", ""]),
        (["1.234,5 EUR", "12 EUR", "12 USD"], "1.234,5 EUR", ["1234.5", "12", ""]),
        (["12.5 %", "3%", "%"], "1,234.5 %", ["12.5", "3", ""]),
    ],
)
def test_units_are_taken_away_and_others_are_no_numbers(
    texts: list[str], spelling: NumberFormat, expected: list[str]
) -> None:
    numbers, fits = plain(pa.array(texts), spelling)
    assert [n or "" for n in numbers.to_pylist()] == expected
    assert fits.to_pylist() == [bool(e) for e in expected]


@pytest.mark.parametrize(
    "counts", [{"REF123": 5, "REF124": 5}, {"USD001": 5, "USD002": 5}, {"$5": 5, "\u20ac5": 5}]
)
def test_codes_and_mixed_units_are_no_numbers(counts: dict[str, int]) -> None:
    assert numbers_in(counts) is None
