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
from typing import Any

from components.ingestion.readers.html_text import without_tags
from components.ingestion.readers.limits import (
    CONTENT_HEADER_CHARS,
    HEADERS,
    MIME_LEVELS,
    MIME_PARTS,
)

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


class BadMessage(ValueError):
    """A message that would take too much time or memory."""


class _Part(Message):
    """A part of a message, or the message.

    level: the number of parts around it. root: the message. parts: the number of parts of a root.
    """

    level = parts = headers = 0
    root: _Part | None = None

    def attach(self, payload: Any) -> None:
        if isinstance(payload, _Part):
            root = payload.root = self.root or self
            root.parts += 1
            payload.level = self.level + 1
            if payload.level > MIME_LEVELS:
                raise BadMessage(f"has parts inside of parts on more than {MIME_LEVELS} levels")
            if root.parts > MIME_PARTS:
                raise BadMessage(f"has more than {MIME_PARTS:,} parts")
        super().attach(payload)

    def set_raw(self, name: str, value: Any) -> None:
        self.headers += 1
        if self.headers > HEADERS:
            raise BadMessage(f"has more than {HEADERS:,} headers")
        if name.lower().startswith("content-") and len(value) > CONTENT_HEADER_CHARS:
            raise BadMessage(f"has a header {name} of {len(value):,} characters")
        super().set_raw(name, value)


def parse_message(raw: bytes) -> Mail:
    """Parse a message. Its body is the first non-empty plain text part, or else HTML part.

    Raises:
        BadMessage: it has too many or too long parts or headers.
    """
    message = email.message_from_bytes(raw, _class=_Part)
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
    body = without_tags(texts["text/html"]) if html else plain
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
