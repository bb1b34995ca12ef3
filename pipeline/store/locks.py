"""Locks between processes. The kernel releases them when their holder ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def held(directory: Path) -> Iterator[Path]:
    """Wait for the lock of a directory, which is made if it is missing."""
    handle = None
    while handle is None:  # another process may remove the directory in the meantime
        with contextlib.suppress(FileExistsError):  # mkdir may see it, and then find it gone
            directory.mkdir(parents=True, exist_ok=True)
        handle = _lock(directory, os.O_RDONLY | os.O_DIRECTORY, wait=True)
    try:
        yield directory
    finally:
        os.close(handle)


def sweep(directory: Path) -> None:
    """Remove a directory unless a living process holds it."""
    with contextlib.suppress(OSError):
        if (handle := _lock(directory, os.O_RDONLY, wait=False)) is not None:
            try:
                shutil.rmtree(directory)
            finally:
                os.close(handle)


@contextlib.contextmanager
def locked(file: Path, wait: bool) -> Iterator[bool]:
    """Hold the lock of a file, which is made if it is missing. Yields False if another process
    holds it and this one does not wait.
    """
    handle = None
    while handle is None:
        handle = _lock(file, os.O_WRONLY | os.O_CREAT, wait)
        if not wait:
            break
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _lock(path: Path, flags: int, wait: bool) -> int | None:
    """An open file that holds the lock; None if another process holds it, or if the path was
    removed or replaced while this one waited.
    """
    try:
        handle = os.open(path, flags, 0o644)
    except FileNotFoundError:
        return None
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
    os.close(handle)
    return None
