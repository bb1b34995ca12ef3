"""The JSON Schema of specs and the page that is made of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.cli.reference import json_schema, key_descriptions, page

DOCS = Path(__file__).parents[4] / "docs"


def test_the_page_of_the_docs_is_up_to_date() -> None:
    hint = "rootstock schema --markdown > docs/spec.md writes it"
    assert (DOCS / "spec.md").read_text() == page(), hint


def test_links_of_the_page_exist() -> None:
    headings = {
        name: set(re.findall(r"^#+ (.*)$", (DOCS / name).read_text(), re.MULTILINE))
        for name in ("spec.md", "methods.md")
    }
    for file, anchor in re.findall(r"\]\((\w+\.md)?#(\w+)\)", page()):
        known = {h.lower() for h in headings[file or "spec.md"]}
        assert anchor in known, (file, anchor)


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


def test_the_json_schema_describes_keys() -> None:
    parts = json_schema()["$defs"]
    expected = {
        ("Training", "clip_norm"): "largest norm of the whole gradient.",
        ("BinaryTask", "positive"): "label values that mean yes;",
        ("CsvReader", "path"): "",
        ("HashSplits", "train"): "the share of examples",
        ("ColumnSplits", "column"): None,
    }
    for (part, key), begins in expected.items():
        found = parts[part]["properties"][key].get("description")
        assert found is None if begins is None else found.startswith(begins)
    json.dumps(parts)
