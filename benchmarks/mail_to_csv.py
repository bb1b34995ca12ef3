"""Raw e-mails as one CSV file with the columns key, subject, body and label.

    python benchmarks/mail_to_csv.py mail.tar.gz mail.csv

The archive holds one message per file, in a directory named after its label. The body is the first
text part; HTML loses its tags. A part whose charset is unknown or wrong is read as UTF-8, or as
Windows-1252 where it is not that.
"""

from __future__ import annotations

import argparse
import csv
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Mail:
    """One message. key: its path in the archive. label: the directory it lies in."""

    key: str
    subject: str
    body: str
    label: str


def mails(archive: Path) -> Iterator[Mail]:
    """The messages of an archive, in its order."""
    with tarfile.open(archive) as files:
        for member in files:
            file = files.extractfile(member)
            if file is None:
                continue
            path = PurePosixPath(member.name)
            message = message_from_bytes(file.read(), policy=policy.default)
            assert isinstance(message, EmailMessage)
            yield Mail(str(path), str(message["subject"] or ""), body(message), path.parent.name)


def body(message: EmailMessage) -> str:
    """The first text part of a message, plain where there is a choice; "" where there is none."""
    part = message.get_body(("plain", "html"))
    if part is None:
        part = next((p for p in message.walk() if not p.is_multipart()), message)
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    text = _decoded(content, part.get_content_charset())
    return _without_tags(text) if part.get_content_type() == "text/html" else text


def _decoded(content: bytes, charset: str | None) -> str:
    for name in (charset or "utf-8", "utf-8"):
        try:
            return content.decode(name)
        except (LookupError, ValueError):
            continue
    return content.decode("windows-1252", errors="replace")


class _Words(HTMLParser):
    """Collects the text of a page, scripts and styles left out."""

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    with args.output.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Mail)])
        writer.writeheader()
        writer.writerows(asdict(m) for m in mails(args.archive))


if __name__ == "__main__":
    main()
