"""Which files a source path means."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from components.stage import RootstockError


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
        fixed = [p for p in root.parts if not glob.has_magic(p)]
        base = Path(*fixed) if len(fixed) < len(root.parts) else root.parent
        found = [f for f in glob.glob(str(root), recursive=True) if os.path.isfile(f)]
    names = sorted(os.path.relpath(f, base).replace(os.sep, "/") for f in found)
    names = [n for n in names if not any(part.startswith(".") for part in n.split("/"))]
    if not names:
        what = "holds no files" if root.is_dir() else "does not exist"
        raise RootstockError(f"{root}: {what}. Expected a file, a directory or a glob pattern.")
    return base, names
