from __future__ import annotations

import io
import mailbox
import tarfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from components.ingestion.readers import mail
from components.ingestion.readers.mail import MailReader
from components.ingestion.readers.mail_message import decoded, parse_message
from tests.unit.components.ingestion.readers.reading import read


def message(body: str = "Guten Tag", **headers: str) -> EmailMessage:
    found = EmailMessage()
    found["From"] = "Jörg <j@example.org>"
    for name, value in headers.items():
        found[name] = value
    found.set_content(body)
    return found


def test_plain_text_comes_before_html_and_files_are_counted() -> None:
    given = message(Subject="Grüße aus Köln", Date="Mon, 02 Sep 2002 12:00:00 +0200")
    given.add_alternative("<p>Hello</p>", subtype="html")
    given.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    given.add_attachment("notes", filename="notes.txt")
    found = parse_message(given.as_bytes())
    assert (found.sender, found.subject) == ("Jörg <j@example.org>", "Grüße aus Köln")
    assert found.date == "2002-09-02T10:00:00+00:00"
    assert (found.body.strip(), found.html, found.attachments) == ("Guten Tag", False, 2)


def test_html_alone_loses_its_tags() -> None:
    page = "<style>p {}</style><p>Buy <b>now</b></p><script>x()</script>"
    raw = f"From: a\nContent-Type: text/html\n\n{page}"
    found = parse_message(raw.encode())
    assert (found.body, found.html) == ("Buy now", True)


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        ("£80m “deal”".encode("cp1252"), "iso-8859-1", "£80m “deal”"),
        ("naïve".encode(), "us-ascii", "naïve"),
        ("naïve".encode("latin-1"), None, "naïve"),
        ("광고".encode("cp949"), "ks_c_5601-1987", "광고"),
        ("你好".encode("gbk"), "GB2312", "你好"),
        (b"plain", "no-such-charset", "plain"),
        (b"plain", "rot13", "plain"),
        (b"a\0b", "utf-8", "ab"),
    ],
)
def test_charsets_are_repaired(content: bytes, charset: str | None, text: str) -> None:
    assert decoded(content, charset) == text


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"Subject: =?iso-8859-1?q?=A380m?=\n =?utf-8?b?w7Y=?= end\n\n", "£80mö end"),
        (b"Subject: \xa380m\n\n", "£80m"),
        (b"Subject: =?utf-8?b?a?=\n\n", "=?utf-8?b?a?="),
        (b"subject: folded\n\there\n\n", "folded here"),
    ],
)
def test_subjects(raw: bytes, subject: str) -> None:
    assert parse_message(raw).subject == subject


@pytest.mark.parametrize(
    "raw",
    [
        b"From: x\nContent-Type: multipart/mixed; boundary=b\n\nno boundary here",
        b"From: x\nContent-Type: text/plain; charset=utf-8''x%\n\nbody",
        b"From: x\nContent-Transfer-Encoding: base64\n\n!!!not base64!!!",
        b"From: x\nDate: Mon, 99 Foo 20202 99:99\n\nbody",
        b"From: x\nContent-Type: message/rfc822\n\nFrom: y\n\ninner",
    ],
)
def test_broken_messages_are_still_read(raw: bytes) -> None:
    assert parse_message(raw).sender == "x"


def test_files_maildir_mbox_and_archive_together(tmp_path: Path) -> None:
    root = tmp_path / "all"
    (root / "spam").mkdir(parents=True)
    (root / "spam" / "1.eml").write_bytes(message("one").as_bytes())
    (root / "spam" / "2.eml").write_bytes(b"\n\n")
    (root / "spam" / "3.eml").write_bytes(b"<html>not a message</html>")
    maildir = mailbox.Maildir(root / "inbox")
    maildir.add(message("two"))
    box = mailbox.mbox(root / "archive.mbox")
    for text in ("three\n\nFrom here on", "four"):
        box.add(message(text))
    box.close()
    with tarfile.open(root / "old.tar.gz", "w:gz") as archive:
        raw = message("five").as_bytes()
        info = tarfile.TarInfo("./ham/5.eml")
        info.size = len(raw)
        archive.addfile(info, io.BytesIO(raw))
    table, bad = read(MailReader(path=str(root)))
    found = {
        body.split()[0]: folder
        for body, folder in zip(
            table.column("body").to_pylist(), table.column("folder").to_pylist(), strict=True
        )
    }
    assert found == {
        "one": "spam",
        "two": "inbox",
        "three": "archive.mbox",
        "four": "archive.mbox",
        "five": "ham",
    }
    assert "From here on" in " ".join(table.column("body").to_pylist())
    assert [str(b) for b in bad] == [
        "spam/2.eml: the message is empty",
        "spam/3.eml: is no e-mail: it has no From, Subject or Date",
    ]


def test_parts_of_an_mbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for i in range(25):
        box.add(message(f"number {i}"))
    box.close()
    source = MailReader(path=str(tmp_path / "box"))
    whole = read(source)[0]
    monkeypatch.setattr(mail, "UNIT_MESSAGES", 4)
    assert len(source.units(tmp_path / "box")) == 7
    assert read(source)[0].equals(whole)
    assert whole.column("body").to_pylist() == [f"number {i}\n\n" for i in range(25)]
