"""Files that appear whole or not at all, whenever a process is killed."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def new_beside(target: Path) -> Path:
    """A new hidden path in the directory of `target`, from which a file can be renamed to it."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write a file or a directory at, which replaces `target` when the block ends, but
    not after an error.
    """
    new = new_beside(target)
    try:
        yield new
        new.replace(target)
    finally:
        if new.is_dir():
            shutil.rmtree(new)
        else:
            new.unlink(missing_ok=True)


def write_whole(file: Path, content: str | bytes) -> None:
    """Replace a file in one step. Text is written as UTF-8."""
    with replacing(file) as new:
        new.write_bytes(content if isinstance(content, bytes) else content.encode())
