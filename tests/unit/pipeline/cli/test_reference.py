"""The JSON Schema of specs and the page that is made of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pipeline.cli.reference import json_schema, page

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


def test_the_json_schema_describes_keys() -> None:
    parts = json_schema()["$defs"]
    expected = {
        ("Training", "clip_norm"): "maximal norm of the gradient of all weights together.",
        ("BinaryTask", "positive"): "label values that mean yes;",
        ("CsvReader", "path"): "",
        ("HashSplits", "train"): "the share of examples",
        ("ColumnSplits", "column"): None,
        ("PCGrad", "at"): "where the gradient of each task is taken.",
        ("MMoE", "towers"): "units of the dense layers",
    }
    for (part, key), begins in expected.items():
        found = parts[part]["properties"][key].get("description")
        assert found is None if begins is None else found.startswith(begins)
    json.dumps(parts)
