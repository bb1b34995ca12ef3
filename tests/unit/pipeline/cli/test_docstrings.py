"""Descriptions of keys in docstrings."""

from __future__ import annotations

from dataclasses import fields

import pytest

from models.sharing.dselect_k import DSelectK
from pipeline.cli.docstrings import inherited_descriptions, key_descriptions


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (
            "A thing.\n\na: one. b: two\n    lines. c, d: both.",
            ["one.", "two lines.", "both.", "both."],
        ),
        ("A thing. a: one.\n\nb: two.\n\nNot a key. e: no.", ["one.", "two.", None, None]),
        ("About a: nothing", [None] * 4),
        ("", [None] * 4),
    ],
)
def test_descriptions_of_keys_are_read_from_docstrings(
    docstring: str, expected: list[str | None]
) -> None:
    found = key_descriptions(docstring, dict.fromkeys("abcd"))
    assert [found.get(key) for key in "abcd"] == expected
    assert "e" not in found


def test_the_nearest_class_describes_a_key() -> None:
    descriptions = inherited_descriptions(DSelectK, [f.name for f in fields(DSelectK)])
    assert descriptions["experts"] == "number of experts, a power of two."
    assert descriptions["widths"] == "units of each expert's layers."
    assert descriptions["towers"].startswith("units of the dense layers")
    assert "name" not in descriptions
