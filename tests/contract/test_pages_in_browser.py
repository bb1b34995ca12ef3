"""Every HTML page in a real browser: axe-core finds nothing, and a phone scrolls it down only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import NEEDS_CHROMIUM, check_accessible, chromium
from tests.contract.test_pages import PAGES

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]


def test_pages_are_accessible_on_phone_and_desktop(tmp_path: Path) -> None:
    files = {module: tmp_path / f"{module}.html" for module in PAGES}
    for module, file in files.items():
        (tmp_path / f"{module}.d").mkdir()
        file.write_text(PAGES[module](tmp_path / f"{module}.d"))
    with chromium() as browser:
        for scheme in ("light", "dark"):
            for width in (360, 1280):
                size = {"width": width, "height": 900}
                page: Any = browser.new_page(viewport=size, color_scheme=scheme, bypass_csp=True)
                for module, file in files.items():
                    page.goto(file.as_uri())
                    where = f"{module}, {scheme}, {width} pixels"
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, where
                    check_accessible(page, where)
                page.close()
