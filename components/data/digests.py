"""Digests of content: of files, of directory trees, and of the user's raw data."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from components.data.atomic import write_whole
from components.errors import RootstockError

RACY_NS = 2_000_000_000
"""A file that changed this shortly before it was read may change again within one clock tick."""


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_tree(root: Path) -> str:
    """SHA-256 over the sorted relative paths and content digests of all files below `root`."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return _combine({p.relative_to(root).as_posix(): digest_file(p) for p in files})


def digest_source(path: str, index: Path) -> str:
    """Digest of the content of a raw file, of a directory, or of the files of a glob pattern.

    index: a directory that remembers digests, as git's index does. Files whose size, times and
        inode have not changed since an earlier call are not read again.

    Raises:
        RootstockError: no file matches.
    """
    base, files = _files(path)
    digests, name = _remembered(base, files, path, index), os.path.basename(path)
    return digests[name] if list(digests) == [name] else _combine(digests)


def digest_files(base: Path, files: Sequence[str], index: Path) -> str:
    """Digest of the content of some files below `base`. index: as in `digest_source`."""
    return _combine(_remembered(str(base), files, str(base / files[0]), index))


def _remembered(base: str, files: Sequence[str], path: str, index: Path) -> dict[str, str]:
    """Digest by file name, from the index where nothing has changed.

    path: what `index_file` is named after.
    """
    index_file = index / f"{hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:16]}.json"
    try:
        known: dict[str, list[int | str]] = json.loads(index_file.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    seen: dict[str, list[int | str]] = {}
    for name in files:
        info = os.stat(os.path.join(base, name))
        stamp: list[int | str] = [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
        seen[name] = known.get(name, [])
        if seen[name][:4] != stamp:
            digest = digest_file(Path(base, name))
            settled = time.time_ns() - max(info.st_mtime_ns, info.st_ctime_ns) > RACY_NS
            seen[name] = [*(stamp if settled else [-1, -1, -1, -1]), digest]
    if known != seen:
        index.mkdir(parents=True, exist_ok=True)
        write_whole(index_file, json.dumps(seen))
    return {name: str(row[4]) for name, row in seen.items()}


def _files(path: str) -> tuple[str, list[str]]:
    """The directory that names are relative to, and the sorted names of all matching files."""
    if os.path.isfile(path):
        return os.path.dirname(path) or ".", [os.path.basename(path)]
    if os.path.isdir(path):
        paths = [os.path.join(d, f) for d, _, names in os.walk(path) for f in names]
        base = path
    else:
        paths = [f for f in glob.glob(path, recursive=True) if os.path.isfile(f)]
        base = os.path.dirname(path.split("*")[0].split("?")[0].split("[")[0]) or "."
    if not paths:
        problem = "holds no files" if os.path.isdir(path) else "does not exist"
        raise RootstockError(f"{path}: {problem}. Expected a file, a directory or a glob pattern.")
    return base, sorted(os.path.relpath(f, base) for f in paths)


def _combine(digests: dict[str, str]) -> str:
    total = hashlib.sha256()
    for name in sorted(digests):
        total.update(f"{name}\0{digests[name]}\n".encode())
    return total.hexdigest()
