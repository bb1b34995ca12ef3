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


def test_columns_of_statistics_are_searched_and_sorted(tmp_path: Path) -> None:
    file = tmp_path / "statistics.html"
    file.write_text(PAGES["components.statistics.statistics_page"](tmp_path))
    with chromium() as browser:
        page: Any = browser.new_page()  # with the policy of the page
        page.goto(file.as_uri())

        def shown() -> list[str]:
            sections = "#columns section:not([hidden])"
            return list(page.eval_on_selector_all(sections, "s => s.map(x => x.dataset.kind)"))

        kinds = ["numeric", "string", "text", "list", "image", "bytes"]
        assert shown() == kinds
        page.fill("#search", "IMAGE")
        assert shown() == ["image"]
        assert page.inner_text("#found") == "1 of 6 columns"
        page.fill("#search", "")
        page.select_option("#order", "name")
        assert shown() == ["bytes", "image", "list", "numeric", "string", "text"]
        page.select_option("#order", "data")
        assert shown() == kinds
