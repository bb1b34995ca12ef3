"""Messages in tar archives, also compressed.

Python's tarfile ends in silence where an archive is cut between two members, or where the header of
a member is damaged, and it does not read on to the checksum of a compressed file. So the archive
must end as the format says, and the file is read to its end.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from components.ingestion.readers.limits import MESSAGE_BYTES, too_large

_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_BLOCK = 1 << 20
_END = bytes(tarfile.BLOCKSIZE)
DAMAGE = (tarfile.TarError, lzma.LZMAError)
"""Errors of damaged archives, besides those that `reading` knows."""


class DamagedArchive(tarfile.TarError):
    """The rest of the archive cannot be read."""


def is_archive(file: Path) -> bool:
    return file.name.lower().endswith(_ARCHIVES)


def archived(file: Path) -> Iterator[tuple[str, bytes, str]]:
    """The path of every member that is no directory, its content, and why that cannot be used;
    empty if it can be.

    Raises:
        tarfile.TarError: the archive is damaged or cut off.
        OSError, EOFError, ValueError, lzma.LZMAError: its compression is.
    """
    with _opened(file) as decompressed:
        stream = _Blocks(decompressed)
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r:") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if member.isdir() or path.name.startswith("."):
                    continue
                opened = archive.extractfile(member) if member.isfile() else None
                if opened is None:
                    yield str(path), b"", "is a link or a device in the archive; expected a file"
                elif problem := too_large(member.size, MESSAGE_BYTES):
                    yield str(path), b"", problem
                else:
                    yield str(path), opened.read(), ""
                archive.members = []  # type: ignore[attr-defined]  # or all headers stay in memory
        if stream.last != _END:
            cut = len(stream.last) < len(_END)
            raise DamagedArchive(
                "it is cut off: its end is missing" if cut else "the header of a member is damaged"
            )
        while block := decompressed.read(_BLOCK):
            if block.strip(b"\0"):
                raise DamagedArchive("bytes follow its end: is it several archives in one?")


def _opened(file: Path) -> BinaryIO:
    with open(file, "rb") as opened:
        magic = opened.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.open(file))
    if magic.startswith(b"BZh"):
        return cast(BinaryIO, bz2.open(file))
    if magic == b"\xfd7zXZ\0":
        return cast(BinaryIO, lzma.open(file))
    return open(file, "rb")


class _Blocks:
    """A stream that remembers its last block, and does not read a name or comment of gigabytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if problem := too_large(size, MESSAGE_BYTES + tarfile.BLOCKSIZE):
            raise DamagedArchive(f"the name of a member {problem}")
        self.last = self._stream.read(size)
        return self.last

    def seek(self, position: int, whence: int = 0) -> int:
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        return self._stream.tell()
