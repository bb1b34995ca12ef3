"""The files that a directory should hold, and how it differs from that."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal

Depth = Literal["sizes", "checksums", "digests"]
"""How closely to look: at names and sizes only; at the content too, by its CRC-32C (about as fast
as memory); or by its SHA-256 (about 1 GB/s)."""

_BLOCK = 1 << 20
_MOST_NAMED = 3


@dataclass(frozen=True)
class FileRecord:
    """What a file should be. crc32c, sha256: of its content."""

    size: int
    crc32c: int
    sha256: str


Manifest = Mapping[str, FileRecord]
"""The files below a directory, by relative path."""


def manifest_of(root: Path, left_out: Sequence[str] = ()) -> dict[str, FileRecord]:
    """The files below a directory. Reads all of them.

    left_out: relative paths of files that do not count.
    """
    return {name: _record(root / name) for name in sorted(_names(root) - set(left_out))}


def differences(
    root: Path,
    manifest: Manifest,
    depth: Depth,
    unchanged: Callable[[str, os.stat_result], bool] = lambda *_: False,
    extra: bool = True,
) -> list[str]:
    """How a directory differs from its manifest, one phrase for each file; empty if it does not.

    unchanged: whether a file, by name and `os.stat`, need not be read. extra: whether other files
    count as differences.
    """
    sizes, phrases = {}, []
    for name in sorted(_names(root) if extra else manifest):
        try:
            info = os.stat(root / name)
            sizes[name] = info.st_size
            expected = manifest.get(name)
            if expected is None or expected.size != info.st_size or depth == "sizes":
                continue
            if not unchanged(name, info) and not _has_content(root / name, expected, depth):
                phrases.append(f"the content of {name} has changed")
        except FileNotFoundError:
            continue
        except OSError as e:
            phrases.append(f"{name} cannot be read ({e.strerror})")
    return sorted(size_differences(sizes, manifest) + phrases)


def size_differences(sizes: Mapping[str, int], manifest: Manifest) -> list[str]:
    """How the files in a place, by name with their sizes, differ from a manifest."""
    return [
        *(f"{name} should not be there" for name in sizes.keys() - manifest.keys()),
        *(f"{name} is missing" for name in manifest.keys() - sizes.keys()),
        *(
            f"{name} has {sizes[name]:,} bytes instead of {expected.size:,}"
            for name, expected in manifest.items()
            if name in sizes and sizes[name] != expected.size
        ),
    ]


def shortened(phrases: Sequence[str]) -> str:
    """The first of some phrases in one line, and how many more there are."""
    more = len(phrases) - _MOST_NAMED
    return ", ".join(phrases[:_MOST_NAMED]) + (f", and {more} more" if more > 0 else "")


def to_json(manifest: Manifest) -> dict[str, list[int | str]]:
    """The manifest as JSON values."""
    return {name: list(astuple(record)) for name, record in manifest.items()}


def from_json(value: Any) -> dict[str, FileRecord]:
    """The manifest that `to_json` wrote.

    Raises:
        ValueError, TypeError or AttributeError: it is not one.
    """
    files = {str(name): FileRecord(*fields) for name, fields in value.items()}
    for record in files.values():
        if [type(f) for f in astuple(record)] != [int, int, str]:
            raise TypeError(f"Expected size, CRC-32C and SHA-256. Received: {record}")
    return files


def _names(root: Path) -> set[str]:
    return {
        os.path.relpath(os.path.join(directory, name), root)
        for directory, _, names in os.walk(root, followlinks=True)
        for name in names
    }


def _blocks(file: Path) -> Iterator[bytes]:
    with open(file, "rb") as opened:
        while block := opened.read(_BLOCK):
            yield block


def _record(file: Path) -> FileRecord:
    import google_crc32c

    size, crc, sha = 0, 0, hashlib.sha256()
    for block in _blocks(file):
        size, crc = size + len(block), google_crc32c.extend(crc, block)
        sha.update(block)
    return FileRecord(size, crc, sha.hexdigest())


def _has_content(file: Path, expected: FileRecord, depth: Depth) -> bool:
    if depth == "digests":
        return _record(file) == expected
    import google_crc32c

    crc = 0
    for block in _blocks(file):
        crc = google_crc32c.extend(crc, block)
    return crc == expected.crc32c
