"""The list of methods, and the page of the docs that is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import RootstockError
from models.config import STRICT
from pipeline.cli.methods import all_methods, described, methods_list, page

DOCS = Path(__file__).parents[4] / "docs"


def test_the_page_of_the_docs_is_up_to_date() -> None:
    hint = "rootstock methods --markdown > docs/methods.md writes it"
    assert (DOCS / "methods.md").read_text() == page(), hint


@pytest.mark.parametrize("method", all_methods(), ids=lambda m: f"{m.family}-{m.name}")
def test_every_method_says_what_it_is(method) -> None:  # type: ignore[no-untyped-def]
    assert f"\n  {method.name} " in methods_list()
    assert len(method.description) > 40
    assert method.source.endswith(".")
    assert method.cls.__pydantic_config__ == STRICT
    for name in method.parameters:
        assert name in described(method.name)


def test_unknown_methods() -> None:
    with pytest.raises(RootstockError, match=r"no method 'mmoo'.*mmoe"):
        described("mmoo")
