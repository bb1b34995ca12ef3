"""The text of an HTML page, in time linear in its length.

Python's HTMLParser takes hours for a page of a megabyte whose tags are not closed.
"""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"""<[a-zA-Z/!?](?:[^"'>]|"[^"]*+"|'[^']*+')*+>""")
_NAME = re.compile(r"<(script|style)\b", re.IGNORECASE)
_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}
LONG_TAG = 4096
"""Characters of a tag in which quotes around `>` are respected, as in `<a title="a > b">`."""
MISMATCHES = 10_000
"""The number of tags with mismatched quotes after which quotes are ignored."""


def without_tags(page: str) -> str:
    """The text without tags, comments, scripts and styles, with single spaces."""
    parts: list[str] = []
    text_start = search_start = mismatches = 0
    while (start := page.find("<", search_start)) >= 0:
        if not _starts_tag(page, start):
            search_start = start + 1
            continue
        if page.startswith("<!--", start):
            end = page.find("-->", start + 4) + 3
            end = end if end > 2 else len(page)
        else:
            tag = _TAG.match(page, start, start + LONG_TAG) if mismatches < MISMATCHES else None
            mismatches += tag is None
            end = tag.end() if tag else page.find(">", start) + 1
            if not end:
                break  # the rest has no further tag
        parts.append(page[text_start:start])
        if name := _NAME.match(page, start):
            closing = _ENDS[name.group(1).lower()].search(page, end)
            end = closing.start() if closing else len(page)
        text_start = search_start = end
    parts.append(page[text_start:])
    return " ".join(" ".join(map(_unescaped, parts)).split())


def _starts_tag(page: str, start: int) -> bool:
    following = page[start + 1 : start + 2]
    return following in ("/", "!", "?") or (following.isascii() and following.isalpha())


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # the number of a character with thousands of digits
        return text
