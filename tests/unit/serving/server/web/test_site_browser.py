"""The pages in a real browser: a question is asked, names stay text, and axe-core finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import NEEDS_CHROMIUM, check_accessible, chromium

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize("width", [360, 1280])
def test_a_person_asks(browser: Any, urls: dict[str, str], width: int, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(urls["http"])
    page.fill("input[type=number]", "0")
    page.fill("textarea", "abc<script>alert(1)</script>")
    page.click("button.main")
    page.wait_for_selector("#answers section")
    assert [t.strip() for t in page.locator("#answers .said").all_inner_texts()] == ["28", "0.5"]
    page.click("#code summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    check_accessible(page)
    page.goto(urls["http"] + "/docs")
    page.click("#docs summary >> nth=0")
    check_accessible(page)
    assert problems == []
    page.close()
