"""A real browser for tests of pages; what imports this is skipped where a part of it is missing."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

_playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
_axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs the package axe-playwright-python"
)
_CHROMIUM = shutil.which("chromium")
NEEDS_CHROMIUM = pytest.mark.skipif(_CHROMIUM is None, reason="needs the program chromium")


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    with _playwright.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def check_accessible(page: Any, where: str = "") -> None:
    """axe-core finds nothing on the page that is shown."""
    found = _axe.Axe().run(page)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"
