"""Parses raw e-mails (RFC 5322, MIME), even invalid ones."""

from __future__ import annotations

import binascii
import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser

_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=(?:\s+(?==\?))?")
_CHARSETS = {"iso-8859-1": "cp1252", "us-ascii": "cp1252", "iso-8859-9": "cp1254"}
_CHARSETS |= {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "x-sjis": "cp932"}
_CHARSETS |= {"euc-kr": "cp949", "ks_c_5601-1987": "cp949"}
"""The charset that is meant by a name (WHATWG Encoding Standard, "Names and labels")."""


@dataclass(frozen=True)
class Mail:
    """date: ISO 8601, in UTC if the message has a time zone. html: whether the body was HTML, whose
    tags were removed. attachments: number of parts that are files or not text.
    """

    sender: str | None
    to: str | None
    date: str | None
    subject: str | None
    body: str
    html: bool
    attachments: int


def parse_message(raw: bytes) -> Mail:
    """Parse a message. Its body is the first non-empty plain text part, or else HTML part."""
    message = email.message_from_bytes(raw)
    texts: dict[str, str] = {}
    attachments = 0
    for part in _leaves(message):
        kind = part.get_content_type()
        if part.get_filename() or part.get_content_maintype() != "text":
            attachments += 1
        elif kind not in texts and (text := _text(part)).strip():
            texts[kind] = text
    html = "text/plain" not in texts and "text/html" in texts
    plain = texts.get("text/plain") or next(iter(texts.values()), "")
    body = _without_tags(texts["text/html"]) if html else plain
    sender, to, subject = (_header(message, name) for name in ("from", "to", "subject"))
    return Mail(sender, to, _date(message), subject, body, html, attachments)


def decoded(content: bytes, charset: str | None) -> str:
    """The text, decoded with its declared charset; if that fails, with UTF-8, then Windows-1252."""
    declared = (charset or "utf-8").strip("\"'").lower()
    candidates = (_CHARSETS.get(declared, declared), "utf-8")
    for name in reversed(candidates) if declared == "us-ascii" else candidates:
        try:
            return content.decode(name).replace("\0", "")
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", errors="replace").replace("\0", "")


def _leaves(part: Message) -> Iterator[Message]:
    """The parts without inner parts. A message inside a message counts as one part."""
    inner = part.get_payload()
    if isinstance(inner, list) and part.get_content_maintype() != "message":
        for child in inner:
            if isinstance(child, Message):
                yield from _leaves(child)
    else:
        yield part


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    try:
        charset = part.get_content_charset()
    except (LookupError, ValueError):  # the encoding of the parameter itself (RFC 2231)
        charset = None
    return decoded(content, charset) if isinstance(content, bytes) else ""


def _header(message: Message, name: str) -> str | None:
    """The first header of this name, unfolded, with encoded words (RFC 2047) decoded."""
    for key, value in message.raw_items():
        if key.lower() == name:
            raw = str(value).encode("utf-8", "surrogateescape")
            text = _WORD.sub(_word, decoded(raw, None))
            return " ".join(text.split())
    return None


def _word(match: re.Match[str]) -> str:
    """An encoded word, decoded; unchanged if it is invalid."""
    charset, encoding, text = match.groups()
    try:
        data = text.encode("ascii")
        if encoding in "bB":
            content = binascii.a2b_base64(data + b"=" * (-len(data) % 4))
        else:
            content = binascii.a2b_qp(data, header=True)
    except ValueError:
        return match.group()
    return decoded(content, charset.partition("*")[0])


def _date(message: Message) -> str | None:
    text = _header(message, "date")
    try:
        date = parsedate_to_datetime(text) if text else None
        if date is not None and date.tzinfo is not None:
            date = date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return None if date is None else date.isoformat()


class _Words(HTMLParser):
    """Collects the text of an HTML page, without scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(self._hidden - (tag in ("script", "style")), 0)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _without_tags(page: str) -> str:
    words = _Words()
    words.feed(page)
    words.close()
    return " ".join(" ".join(words.parts).split())
