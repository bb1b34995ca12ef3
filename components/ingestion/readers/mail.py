"""E-mail: message files (.eml, maildir), mbox files and tar archives of messages."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from components.data.lazy import pa
from components.data.raw_files import listing
from components.ingestion.readers.base import BadRecord, Reader, Unit, units_between
from components.ingestion.readers.files import reading, units_of_files
from components.ingestion.readers.limits import MESSAGE_BYTES, too_large, whole_file
from components.ingestion.readers.mail_archive import DAMAGE, archived, is_archive
from components.ingestion.readers.records import Record, batches

UNIT_MESSAGES = 1000
MAX_PARTS = 16
"""Largest number of units of an archive or mbox, because each unit skips those before it."""
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
            files = (
                (name, *whole_file(Path(unit.root, name), MESSAGE_BYTES)) for name in unit.files
            )
            numbered = ((0, *file) for file in files)
        else:
            found = enumerate(_messages(unit.file, unit.files[0]), 1)
            numbered = ((i, *message) for i, message in islice(found, unit.start, unit.stop))
        records = (_record(unit, *message) for message in numbered)
        yield from batches(records, schema, unit.files[0], "message")


def _record(unit: Unit, position: int, path: str, raw: bytes, problem: str) -> Record | BadRecord:
    from components.ingestion.readers.mail_message import BadMessage, parse_message

    if problem:
        return BadRecord(path, 0, problem)
    if not raw.strip(b"\0\r\n\t "):
        return BadRecord(path, 0, "the message is empty")
    try:
        mail = parse_message(raw)
    except BadMessage as e:
        return BadRecord(path, 0, str(e))
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
    if is_archive(file):
        return "archive"
    with reading(file), pa.input_stream(str(file), compression="detect") as stream:
        return "mbox" if stream.read(5) == b"From " else "message"


def _messages(file: Path, name: str) -> Iterator[tuple[str, bytes, str]]:
    """Every message of an archive or mbox, in order: its path, its bytes, and why these cannot be
    used.

    Raises:
        RootstockError: the file is truncated or damaged.
    """
    with reading(file, "cannot be read", *DAMAGE):
        yield from archived(file) if is_archive(file) else _mbox(file, name)


def _mbox(file: Path, name: str) -> Iterator[tuple[str, bytes, str]]:
    """The messages, which start at a `From ` line after an empty line. Paths are `name/number`."""
    number, lines, size, blank = 0, list[bytes](), 0, True
    with io.BufferedReader(pa.input_stream(str(file), compression="detect")) as stream:
        while line := stream.readline(MESSAGE_BYTES):
            if blank and line.startswith(b"From "):
                if number:
                    yield f"{name}/{number}", b"".join(lines), too_large(size, MESSAGE_BYTES)
                number, lines, size = number + 1, [], 0
            else:
                size += len(line)
                if size <= MESSAGE_BYTES:
                    lines.append(line[1:] if _FROM.match(line) else line)
            blank = not line.strip()
    if number:
        yield f"{name}/{number}", b"".join(lines), too_large(size, MESSAGE_BYTES)
