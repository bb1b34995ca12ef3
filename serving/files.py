"""Locks and atomic writes, for files that several processes use at the same time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import BinaryIO


def lock(path: Path, wait: bool = True) -> BinaryIO:
    """Lock a file until the returned handle is closed or this process ends.

    Raises:
        BlockingIOError: someone else holds the lock and `wait` is False.
    """
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        file.close()
        raise
    return file


def sync(path: Path) -> None:
    """Wait until the content of a file, or the entries of a directory, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(file: Path, text: str) -> None:
    """Replace a file: readers see the whole old text or the whole new text, even after a crash."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, encoding="utf-8")
    sync(new)
    new.replace(file)
