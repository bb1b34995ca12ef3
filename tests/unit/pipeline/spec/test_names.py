"""Names of inputs and tasks, made from the names of columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipeline.spec.names import LONGEST, Name, Title, UrlName, names_of

NAME: TypeAdapter[str] = TypeAdapter(Name)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["身長", "体重", "y"], ["身長", "体重", "y"]),
        (["a b", "a_b", "a(b"], ["a_b_2", "a_b", "a_b_3"]),
        (["a b", "a_b_2", "a_b"], ["a_b_3", "a_b_2", "a_b"]),
        (["1", "2", "%"], ["column", "column_2", "column_3"]),
        (["2nd size", "Größe (cm)", "नाम"], ["nd_size", "Größe__cm_", "नाम"]),
        (["caf\u00e9", "cafe\u0301"], ["caf\u00e9", "caf\u00e9_2"]),
    ],
)
def test_every_column_has_a_name_of_its_own(columns: list[str], expected: list[str]) -> None:
    names = names_of(columns)
    assert [names[c] for c in columns] == expected


@given(st.lists(st.text(max_size=4), unique=True, max_size=8))
def test_names_are_valid_and_unique(columns: list[str]) -> None:
    names = names_of(columns)
    assert set(names) == set(columns)
    assert len(set(names.values())) == len(columns)
    for name in names.values():
        NAME.validate_python(name)


NOT_NAMES = [
    "",
    ".",
    "..",
    ".a",
    "a/b",
    "../x",
    "a\\b",
    "a\nb",
    "a\0b",
    "a\x7f",
    "/a",
    "a" * 61,
    " a",
]


@pytest.mark.parametrize("kind", [Name, UrlName, Title])
@pytest.mark.parametrize("text", NOT_NAMES)
def test_no_name_is_a_path(kind: object, text: str) -> None:
    with pytest.raises(ValueError, match=r"should match|at most"):
        TypeAdapter(kind).validate_python(text)


def test_names_have_letters_of_any_alphabet_and_fit_into_files() -> None:
    longest = "木" * LONGEST
    assert TypeAdapter(Name).validate_python(longest) == longest
    assert len(f"{longest}.yaml".encode()) <= 255
    assert TypeAdapter(Title).validate_python("größer, 2. Versuch".replace(",", ""))
    assert {len(name) for name in names_of([longest + "a", longest + "b"]).values()} == {LONGEST}
