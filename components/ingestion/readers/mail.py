"""E-mail: message files (.eml, maildir), mbox files and tar archives of messages."""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from components.data.lazy import pa
from components.data.raw_files import listing
from components.ingestion.readers.base import BadRecord, Reader, Unit, units_between
from components.ingestion.readers.files import reading, units_of_files
from components.ingestion.readers.records import Record, batches

UNIT_MESSAGES = 1000
MAX_PARTS = 16
"""Largest number of units of an archive or mbox, because each unit skips those before it."""
_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_FROM = re.compile(rb">+From ")


@dataclass(frozen=True, kw_only=True)
class MailReader(Reader):
    """Columns: `path` of the message; `folder`, its directory, maildir or mbox; `from`, `to`,
    `date`, `subject`; `body`, its best text part; `html`, whether this part was HTML;
    `attachments`, their number.

    Wrong and unknown charsets are repaired. A file that is no message becomes a bad record.
    """

    format: Literal["mail"] = "mail"
    default_key: ClassVar[tuple[str, ...]] = ("path",)

    def units(self, root: Path) -> list[Unit]:
        base, names = listing(root)
        kinds = {n: _kind(base / n) for n in names if PurePosixPath(n).parent.name != "tmp"}
        units = units_of_files(base, [n for n, kind in kinds.items() if kind == "message"])
        for name in (n for n, kind in kinds.items() if kind != "message"):
            count = sum(1 for _ in _messages(base / name, name))
            size = max(UNIT_MESSAGES, -(-count // MAX_PARTS))
            units += units_between(base, name, [*range(0, count, size), count])
        return units

    def schema(self, root: Path) -> pa.Schema:
        listing(root)
        texts = ("path", "folder", "from", "to", "date", "subject", "body")
        fields = dict.fromkeys(texts, pa.string())
        return pa.schema({**fields, "html": pa.bool_(), "attachments": pa.int64()})

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        if unit.stop is None:
            raw = ((0, name, Path(unit.root, name).read_bytes()) for name in unit.files)
        else:
            numbered = enumerate(_messages(unit.file, unit.files[0]), 1)
            messages = islice(numbered, unit.start, unit.stop)
            raw = ((position, path, message) for position, (path, message) in messages)
        records = (_record(unit, *item) for item in raw)
        yield from batches(records, schema, unit.files[0], "message")


def _record(unit: Unit, position: int, path: str, raw: bytes) -> Record | BadRecord:
    from components.ingestion.readers.mail_message import parse_message

    if not raw.strip(b"\0\r\n\t "):
        return BadRecord(path, 0, "the message is empty")
    mail = parse_message(raw)
    if mail.sender is None and mail.subject is None and mail.date is None:
        return BadRecord(path, 0, "is no e-mail: it has no From, Subject or Date")
    place = {"path": path, "folder": _folder(unit, path)}
    return Record(position, {**place, "from": mail.sender, **asdict(mail)})


def _folder(unit: Unit, path: str) -> str:
    """The name of the directory, maildir or mbox of a message."""
    parent = PurePosixPath(path).parent
    if parent.name in ("cur", "new"):
        parent = parent.parent
    return parent.name or Path(unit.root).name


def _kind(file: Path) -> Literal["archive", "mbox", "message"]:
    if file.name.lower().endswith(_ARCHIVES):
        return "archive"
    with pa.input_stream(str(file), compression="detect") as stream:
        return "mbox" if stream.read(5) == b"From " else "message"


def _messages(file: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every message of an archive or mbox, in order.

    Raises:
        RootstockError: the file is truncated or damaged.
    """
    with reading(file, "cannot be read", tarfile.TarError, zlib.error):
        yield from _archived(file) if _kind(file) == "archive" else _mbox(file, name)


def _archived(file: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(file) as archive:
        for member in archive:
            opened = archive.extractfile(member) if member.isfile() else None
            if opened is not None and not PurePosixPath(member.name).name.startswith("."):
                yield str(PurePosixPath(member.name)), opened.read()


def _mbox(file: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The messages, which start at a `From ` line after an empty line. Paths are `name/number`."""
    number, lines, blank = 0, list[bytes](), True
    with io.BufferedReader(pa.input_stream(str(file), compression="detect")) as stream:
        for line in stream:
            if blank and line.startswith(b"From "):
                if number:
                    yield f"{name}/{number}", b"".join(lines)
                number, lines = number + 1, []
            else:
                lines.append(line[1:] if _FROM.match(line) else line)
            blank = not line.strip()
    if number:
        yield f"{name}/{number}", b"".join(lines)
