"""The pages of the server. They hold nothing of the models: their script asks for that.

A browser cannot send a token for a page, so the pages themselves need none. What they show comes
from requests that do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from serving.pages import policy, render

SCRIPT = Path(__file__).with_name("site.js")


@dataclass(frozen=True)
class Site:
    """What the template reads. docs: whether it is the description of the API."""

    title: str
    docs: bool
    script: str

    @property
    def policy(self) -> str:
        return f"{policy(self.script)}; connect-src 'self'"


@cache
def page(docs: bool) -> tuple[bytes, dict[str, str]]:
    """The page to try models, or the one that describes the API; and its headers."""
    title = "REST API" if docs else "Try a model"
    site = Site(title, docs, SCRIPT.read_text(encoding="utf-8"))
    headers = {
        "Content-Security-Policy": f"{site.policy}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return render(__name__, site).encode(), headers
