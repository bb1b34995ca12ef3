"""Which files a source path means, and which of them are read in one go."""

from __future__ import annotations

import glob
import os
from itertools import takewhile
from pathlib import Path

from components.errors import RootstockError
from components.ingestion.readers.base import Unit

UNIT_FILES = 1000
UNIT_BYTES = 1 << 26


def listing(root: Path) -> tuple[Path, list[str]]:
    """The directory that file names are relative to, and the sorted names below `root`: a file, a
    directory tree or a glob pattern. Hidden files are left out.

    Raises:
        RootstockError: nothing is there.
    """
    if root.is_file():
        return root.parent, [root.name]
    if root.is_dir():
        base = root
        found = [os.path.join(d, f) for d, _, names in os.walk(root) for f in names]
    else:
        fixed = list(takewhile(lambda part: not glob.has_magic(part), root.parts))
        base = Path(*fixed) if len(fixed) < len(root.parts) else root.parent
        found = [f for f in glob.glob(str(root), recursive=True) if os.path.isfile(f)]
    names = sorted(os.path.relpath(f, base).replace(os.sep, "/") for f in found)
    names = [n for n in names if not any(part.startswith(".") for part in n.split("/"))]
    if not names:
        what = "holds no files" if root.is_dir() else "does not exist"
        raise RootstockError(f"{root}: {what}. Expected a file, a directory or a glob pattern.")
    return base, names


def units_of_files(root: Path, names: list[str]) -> list[Unit]:
    """Many small files in units of bounded number and size, in order."""
    chunks: list[list[str]] = [[]]
    size = 0
    for name in names:
        more = os.stat(root / name).st_size
        if chunks[-1] and (len(chunks[-1]) == UNIT_FILES or size + more > UNIT_BYTES):
            chunks.append([])
            size = 0
        chunks[-1].append(name)
        size += more
    return [Unit(str(root), tuple(chunk)) for chunk in chunks]
