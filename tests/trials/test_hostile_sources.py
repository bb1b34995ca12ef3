"""Sources that are made to fill the memory or to take for ever. Each runs in a process of its own,
with little memory and time, and ends with an error that names the file or with a bad record.
"""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from components.ingestion.readers import Reader
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.readers.image_manifest import ImageManifestReader
from components.ingestion.readers.jsonl import JsonLinesReader
from components.ingestion.readers.mail import MailReader
from components.ingestion.readers.text_folder import TextFolderReader

MEMORY = 1 << 30
"""Bytes above those of the imported libraries."""
SECONDS = 60
MIB = 1 << 20

READ = """
import pickle, resource, sys
from pathlib import Path
import components.ingestion.readers.mail_message, PIL.Image, PIL.PngImagePlugin
from components.data.lazy import arrow_csv, arrow_json, np
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord

arrow_csv.ParseOptions, arrow_json.ParseOptions, np.zeros
reader = pickle.load(sys.stdin.buffer)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
root = Path(reader.path)
try:
    schema = reader.schema(root)
    for unit in reader.units(root):
        for item in reader.read(unit, schema):
            print(item if isinstance(item, BadRecord) else f"{item.num_rows} rows")
except RootstockError as e:
    print(e)
"""


def gz(file: Path, *parts: tuple[bytes, int]) -> Path:
    """A compressed file of repeated parts."""
    with gzip.open(file, "wb", 1) as out:
        for part, times in parts:
            for _ in range(times):
                out.write(part)
    return file


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf()


def large_message(root: Path) -> Reader:
    head, zeros = member("a/1", 1500 * MIB), (bytes(MIB), 1500)
    small = member("a/2", 12) + b"From: a\n\nbc\n" + bytes(500)
    return MailReader(path=str(gz(root / "m.tar.gz", (head, 1), zeros, (small + bytes(1024), 1))))


def long_name(root: Path) -> Reader:
    head = member("././@LongLink", 1500 * MIB, tarfile.GNUTYPE_LONGNAME)
    return MailReader(path=str(gz(root / "m.tar.gz", (head, 1), (bytes(MIB), 1500))))


def long_line_of_mail(root: Path) -> Reader:
    lines = (b"From a\nFrom: a\n\n", 1), (b"a" * MIB, 800), (b"\n\nFrom b\nFrom: b\n\nb\n", 1)
    return MailReader(path=str(gz(root / "box.gz", *lines)))


def many_mime_levels(root: Path) -> Reader:
    levels = range(3000)
    opening = [f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in levels]
    (root / "deep.eml").write_text("From: a\n" + "".join(opening) + "\nhello\n")
    return MailReader(path=str(root / "deep.eml"))


def many_mime_parts(root: Path) -> Reader:
    parts = "--b\n\n" * 2_000_000
    (root / "wide.eml").write_text(f"From: a\nContent-Type: multipart/mixed; boundary=b\n\n{parts}")
    return MailReader(path=str(root / "wide.eml"))


def many_mime_parameters(root: Path) -> Reader:
    parameters = " a=b;" * 1_000_000
    (root / "long.eml").write_text(f"From: a\nContent-Type: text/plain;{parameters}\n\nb")
    return MailReader(path=str(root / "long.eml"))


def unclosed_tags(root: Path) -> Reader:
    (root / "tags.eml").write_text("From: a\nContent-Type: text/html\n\n" + '<a x="' * 500_000)
    return MailReader(path=str(root / "tags.eml"))


def endless_json_line(root: Path) -> Reader:
    return JsonLinesReader(path=str(gz(root / "a.jsonl.gz", (b"[" * MIB, 1500))))


def deep_json(root: Path) -> Reader:
    line = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    return JsonLinesReader(path=str(gz(root / "a.jsonl.gz", (b'{"a":1}\n' + line, 1))))


def endless_header(root: Path) -> Reader:
    return CsvReader(path=str(gz(root / "a.csv.gz", (b"x" * MIB, 1500))))


def endless_row(root: Path) -> Reader:
    return CsvReader(path=str(gz(root / "a.csv.gz", (b"x,y\n1,", 1), (b"x" * MIB, 1500))))


def unclosed_quote(root: Path) -> Reader:
    return CsvReader(path=str(gz(root / "a.csv.gz", (b'x,y\n1,"open\n', 1), (b"1,2\n" * MIB, 40))))


def many_columns(root: Path) -> Reader:
    names, values = ",".join(f"c{i}" for i in range(100_000)), ",".join("1" * 100_000)
    (root / "a.csv").write_text(f"{names}\n{values}\n")
    return CsvReader(path=str(root / "a.csv"))


def devices_in_a_manifest(root: Path) -> Reader:
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("nowhere")
    (root / "a.csv").write_text("path,y\n/dev/zero,1\npipe,2\nlink,3\n")
    return ImageManifestReader(path=str(root / "a.csv"))


def pipe_in_a_folder(root: Path) -> Reader:
    (root / "in" / "a").mkdir(parents=True)
    (root / "in" / "a" / "1.txt").write_text("one")
    os.mkfifo(root / "in" / "a" / "pipe")
    return TextFolderReader(path=str(root / "in"))


def link_to_nothing(root: Path) -> Reader:
    (root / "in" / "a").mkdir(parents=True)
    (root / "in" / "a" / "1.txt").symlink_to("nowhere")
    return TextFolderReader(path=str(root / "in"))


def large_file_in_a_folder(root: Path) -> Reader:
    (root / "in" / "a").mkdir(parents=True)
    for name, size in (("1.txt", 8), ("2.txt", 3 << 30)):
        with open(root / "in" / "a" / name, "wb") as file:
            file.truncate(size)
    return TextFolderReader(path=str(root / "in"))


HOSTILE: dict[Callable[[Path], Reader], str] = {
    deep_json: "line 2: has too many values inside of each other",
    devices_in_a_manifest: "/dev/zero: is a device\npipe: is a named pipe\nlink: is a link to nowh",
    endless_header: "a.csv.gz, line 1: a row is longer than 128 MiB",
    endless_json_line: "a.jsonl.gz: cannot be read: a line has",
    endless_row: "a.csv.gz: a row is longer than 16 MiB",
    large_file_in_a_folder: "a/2.txt: has 3,221,225,472 bytes; expected at most 128 MiB",
    large_message: "a/1: has 1,572,864,000 bytes; expected at most 64 MiB",
    link_to_nothing: "1.txt: is a link to nowhere, which does not exist. Expected a regular file",
    long_line_of_mail: "box.gz/1: has 838,860,811 bytes; expected at most 64 MiB\n1 rows",
    long_name: "m.tar.gz: cannot be read: the name of a member has 1,572,864,000 bytes",
    many_columns: "a.csv, line 1: has 100,000 columns. Expected at most 20,000",
    many_mime_levels: "deep.eml: has parts inside of parts on more than 100 levels",
    many_mime_parameters: "long.eml: has a header Content-Type of 5,000,011 characters",
    many_mime_parts: "wide.eml: has more than 10,000 parts",
    pipe_in_a_folder: "pipe: is a named pipe. Expected a regular file",
    unclosed_quote: "a.csv.gz: a row is longer than 16 MiB. Expected delimited text: is a quote",
    unclosed_tags: "1 rows",
}


@pytest.mark.slow
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_it_ends_soon_with_a_sentence(make: Callable[[Path], Reader], tmp_path: Path) -> None:

    process = subprocess.run(
        [sys.executable, "-c", READ.replace("MEMORY", str(MEMORY))],
        input=pickle.dumps(make(tmp_path)),
        capture_output=True,
        timeout=SECONDS,
    )
    output = process.stdout.decode()
    assert HOSTILE[make] in output, process.stderr
    assert process.returncode == 0, process.stderr.decode()
