"""The user's raw files: which ones a path matches, and a check that each can be read.

Only regular files are read. A named pipe, a device or a link to nothing would block or fail in the
middle of a run, so it is an error that names the file.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from components.errors import RootstockError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}


def listing(root: Path) -> tuple[Path, list[str]]:
    """The files of a path: a file, a directory tree or a glob pattern. Hidden files are ignored;
    links to directories are followed.

    Returns: a directory, and the sorted file names relative to it.

    Raises:
        RootstockError: there are no files, or one of them is no regular file.
    """
    if not os.path.isdir(root) and os.path.lexists(root):
        regular(root)
    base, names = matching(root)
    if not names:
        problem = "has no files" if root.is_dir() else "does not exist"
        raise RootstockError(f"{root}: {problem}. Expected a file, a directory or a glob pattern.")
    for name in names:
        regular(base / name)
    return base, names


def matching(root: Path) -> tuple[Path, list[str]]:
    """As `listing`, but without checks: there may be no files, and they need not be regular."""
    if root.is_dir():
        base, files = root, list(_walk(root, ()))
    elif os.path.lexists(root):
        return root.parent, [root.name]
    else:
        fixed = list(takewhile(lambda part: not glob.has_magic(part), root.parts))
        base = Path(*fixed) if len(fixed) < len(root.parts) else root.parent
        files = [f for f in glob.glob(str(root), recursive=True) if not os.path.isdir(f)]
    names = sorted(os.path.relpath(f, base).replace(os.sep, "/") for f in files)
    return base, [n for n in names if not any(part.startswith(".") for part in n.split("/"))]


def regular(file: Path) -> os.stat_result:
    """The size and times of a regular file.

    Raises:
        RootstockError: it is missing or no regular file.
    """
    if problem := not_regular(file):
        raise RootstockError(
            f"{file}: {problem}. Expected a regular file. Remove it from the source, or replace it."
        )
    return os.stat(file)


def not_regular(file: Path) -> str:
    """Why a path cannot be read as a regular file; empty if it can be."""
    try:
        kind = stat.S_IFMT(os.stat(file).st_mode)
    except FileNotFoundError:
        if os.path.islink(file):
            return f"is a link to {os.readlink(file)}, which does not exist"
        return "does not exist"
    except (OSError, ValueError) as e:  # a name with a zero byte is a ValueError
        return f"cannot be read ({getattr(e, 'strerror', None) or e})"
    return "" if kind == stat.S_IFREG else f"is {_KINDS.get(kind, 'no file')}"


def open_regular(file: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        RootstockError: it is missing, is no regular file or cannot be opened.
    """
    regular(file)
    try:
        return open(file, "rb")
    except OSError as e:
        raise RootstockError(f"{file}: cannot be read ({e.strerror}).") from e


def _walk(directory: Path, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    """All entries below a directory that are not directories. above: identities of its parents."""
    info = os.stat(directory)
    here = (info.st_dev, info.st_ino)
    if here in above:
        raise RootstockError(
            f"{directory}: is a link to a directory above it, so its files would be read without"
            " end. Remove the link."
        )
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as e:
        raise RootstockError(
            f"{directory}: cannot be read ({e.strerror}). Change its permissions."
        ) from e
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), (*above, here))
        else:
            yield entry.path
