"""The pages in a real browser: a question is asked, names stay text, and axe-core finds nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs the package axe-playwright-python"
)
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


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
    assert axe.Axe().run(page).violations_count == 0
    page.goto(urls["http"] + "/docs")
    page.click("#docs summary >> nth=0")
    assert axe.Axe().run(page).violations_count == 0
    assert problems == []
    page.close()
