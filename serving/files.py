"""Locks and atomic writes, for files that several processes use at the same time."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

NO_LOCKS = frozenset((errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL))
"""What `flock` fails with on a file system that has no locks, such as some network mounts."""


def lock(path: Path, wait: bool = True) -> BinaryIO:
    """Lock a file until the returned handle is closed or this process ends.

    Raises:
        BlockingIOError: someone else holds the lock and `wait` is False.
        OSError: the file system has no locks; its `strerror` is a sentence.
    """
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        file.close()
        if isinstance(error, OSError) and error.errno in NO_LOCKS:
            raise OSError(error.errno, no_locks(path.parent, error)) from error
        raise
    return file


def no_locks(directory: Path, error: OSError) -> str:
    """The message for a directory whose file system has no locks."""
    return (
        f"the file system of {directory} has no file locks ({error.strerror}). "
        "Use a directory on another file system"
    )


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
