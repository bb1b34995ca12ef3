"""Every HTML page in a real browser: axe-core finds nothing, and a phone scrolls it down only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_pages import PAGES

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs the package axe-playwright-python"
)
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium"),
]


def test_pages_are_accessible_on_phone_and_desktop(tmp_path: Path) -> None:
    files = {module: tmp_path / f"{module}.html" for module in PAGES}
    for module, file in files.items():
        (tmp_path / f"{module}.d").mkdir()
        file.write_text(PAGES[module](tmp_path / f"{module}.d"))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for width in (360, 1280):
                size = {"width": width, "height": 900}
                page: Any = browser.new_page(viewport=size, color_scheme=scheme, bypass_csp=True)
                for module, file in files.items():
                    page.goto(file.as_uri())
                    where = f"{module}, {scheme}, {width} pixels"
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, where
                    found = axe.Axe().run(page)
                    assert found.violations_count == 0, f"{where}: {found.generate_report()}"
                page.close()
        browser.close()
