from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from components.errors import RootstockError
from components.ingestion.readers.mail import MailReader
from tests.unit.components.ingestion.readers.reading import read

BLOCK = tarfile.BLOCKSIZE


def archive(messages: int) -> bytes:
    """Each member is a block of header and a block of content; two blocks of zeros end it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as opened:
        for i in range(messages):
            info = tarfile.TarInfo(f"m/{i}")
            content = b"From: a\n\nb\n"
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return out.getvalue()[: (2 * messages + 2) * BLOCK]


WHOLE = archive(6)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (WHOLE[: 8 * BLOCK], "it is cut off: its end is missing"),
        (WHOLE[: 12 * BLOCK], "it is cut off: its end is missing"),
        (WHOLE[: 9 * BLOCK + 4], "unexpected end of data"),
        (WHOLE[: 4 * BLOCK] + b"x" + WHOLE[4 * BLOCK + 1 :], "the header of a member is damaged"),
        (WHOLE + WHOLE, "bytes follow its end"),
        (gzip.compress(WHOLE)[:-8], "ended before the end-of-stream marker"),
        (gzip.compress(WHOLE)[:-8] + bytes(8), "CRC check failed"),
    ],
)
def test_an_archive_that_lost_messages_is_refused(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(RootstockError, match=rf"a\.tar: cannot be read: .*{problem}.*whole file"):
        read(MailReader(path=str(tmp_path / "a.tar")))


def test_one_block_of_zeros_is_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(WHOLE[:-BLOCK])
    assert read(MailReader(path=str(tmp_path / "a.tar")))[0].num_rows == 6


def test_links_in_an_archive_are_bad_records(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as opened:
        link = tarfile.TarInfo("m/link")
        link.type, link.linkname = tarfile.LNKTYPE, "m/0"
        opened.addfile(link)
    _, bad = read(MailReader(path=str(tmp_path / "a.tar")))
    assert [str(b) for b in bad] == [
        "m/link: is a link or a device in the archive; expected a file"
    ]
