"""Page."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

MARKS = (
    (re.compile(r"\*\*(.+?)\*\*"), r"<b>\1</b>"),
    (re.compile(r"`(.+?)`"), r"<code>\1</code>"),
)


STYLE = Path(__file__).with_name("style.css")


def page_of(title: str, body: str) -> str:
    """A page of ours that needs no network."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text()}</style></head><body><main>"
        f"<h1>{escape(title)}</h1>{body}</main></body></html>\n"
    )


def rich(text: str) -> str:
    """Escaped, with the two marks of our sentences."""
    told = escape(text, quote=False)
    for mark, html in MARKS:
        told = mark.sub(html, told)
    return told
