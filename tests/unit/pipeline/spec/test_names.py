"""Names of inputs and tasks, made from the names of columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipeline.spec.names import names_of
from pipeline.spec.sections import Name

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
