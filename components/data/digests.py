"""Digests of content: of files, of directory trees, and of the user's raw data."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.data.atomic import write_whole
from components.data.raw_files import listing, matching, regular
from components.errors import RootstockError

CHUNK_BYTES = 1 << 20
RACY_NS = 2_000_000_000
"""A file that changed this shortly before it was read may change again within one clock tick."""


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_range(path: Path, start: int, stop: int) -> str:
    """SHA-256 of the bytes [start, stop) of a file, hex."""
    digest, left = hashlib.sha256(), stop - start
    with open(path, "rb") as file:
        file.seek(start)
        while left and (chunk := file.read(min(left, CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def digest_tree(root: Path) -> str:
    """SHA-256 over the sorted relative paths and content digests of all files below `root`."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return combined({p.relative_to(root).as_posix(): digest_file(p) for p in files})


@dataclass(frozen=True)
class RawFiles:
    """A raw file, a directory, or the files of a glob pattern. See `components.artifacts.Raw`."""

    path: str
    origin = None

    @property
    def copy(self) -> Path:
        return Path(self.path)

    def digest(self, index: Path | None) -> str:
        return digest_source(self.path, index)

    def state(self) -> Mapping[str, Sequence[int]]:
        return states(*matching(Path(self.path)))


def digest_source(path: str, index: Path | None) -> str:
    """Digest of the content of a raw file, of a directory, or of the files of a glob pattern.

    index: a directory that remembers digests, as git's index does. Files whose size, times and
        inode have not changed since an earlier call are not read again. None reads all files.

    Raises:
        RootstockError: no file matches, or one is no regular file.
    """
    base, files = listing(Path(path))
    digests, name = _remembered(base, files, path, index), os.path.basename(path)
    return digests[name] if list(digests) == [name] else combined(digests)


def digest_files(base: Path, files: Sequence[str], index: Path | None) -> str:
    """Digest of the content of some files below `base`. index: as in `digest_source`."""
    return combined(_remembered(base, files, str(base / files[0]), index))


def states(base: Path, files: Sequence[str]) -> dict[str, list[int]]:
    """What changes when a file is written or replaced, by path: see `_stamp`."""
    found = {}
    for name in files:
        try:
            found[str(base / name)] = _stamp(os.stat(base / name))
        except OSError:  # removed since it was listed
            continue
    return found


def _stamp(info: os.stat_result) -> list[int]:
    """Size, times and inode. The second time is set by the kernel only, so that nobody can write
    to a file and leave its stamp as it was, except within one tick of the clock.
    """
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def _remembered(base: Path, files: Sequence[str], path: str, index: Path | None) -> dict[str, str]:
    """Digest by file name, from the index where nothing has changed.

    path: what `index_file` is named after.
    """
    if index is None:
        return {name: _digest(base / name) for name in files}
    index_file = index / f"{hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:16]}.json"
    try:
        known: dict[str, list[int | str]] = json.loads(index_file.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    seen: dict[str, list[int | str]] = {}
    for name in files:
        info = regular(base / name)
        stamp: list[int | str] = [*_stamp(info)]
        seen[name] = known.get(name, [])
        if seen[name][:4] != stamp:
            digest = _digest(base / name)
            settled = time.time_ns() - max(info.st_mtime_ns, info.st_ctime_ns) > RACY_NS
            seen[name] = [*(stamp if settled else [-1, -1, -1, -1]), digest]
    if known != seen:
        index.mkdir(parents=True, exist_ok=True)
        write_whole(index_file, json.dumps(seen))
    return {name: str(row[4]) for name, row in seen.items()}


def _digest(file: Path) -> str:
    try:
        return digest_file(file)
    except OSError as e:
        raise RootstockError(
            f"{file}: cannot be read ({e.strerror}). Expected files that can be read and that stay"
            " as they are during a run."
        ) from e


def combined(digests: Mapping[str, str]) -> str:
    """The digest of a directory tree, from those of its files by relative path."""
    total = hashlib.sha256()
    for name in sorted(digests):
        total.update(f"{name}\0{digests[name]}\n".encode())
    return total.hexdigest()
