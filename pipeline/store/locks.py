"""Locks between processes. The kernel releases them when their holder ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from components.errors import RootstockError
from serving.files import NO_LOCKS, no_locks


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


def sweep(directory: Path, only_empty: bool = False) -> None:
    """Remove a directory, or only if it is empty, unless a living process holds it."""
    with contextlib.suppress(OSError):
        if (handle := _lock(directory, os.O_RDONLY, wait=False)) is not None:
            try:
                directory.rmdir() if only_empty else shutil.rmtree(directory)
            finally:
                os.close(handle)


@contextlib.contextmanager
def locked(file: Path, wait: bool) -> Iterator[bool]:
    """Hold the lock of a file, which is made if it is missing. Yields False if another process
    holds it and this one does not wait.
    """
    handle = kept(file) if wait else _lock(file, os.O_WRONLY | os.O_CREAT, wait)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def kept(file: Path) -> int:
    """Wait for the lock of a file, which is made if it is missing. It is held until the open file
    that is returned is closed, or this process ends.
    """
    while (handle := _lock(file, os.O_WRONLY | os.O_CREAT, wait=True)) is None:
        pass  # another process removed the file before it was locked
    return handle


def _lock(path: Path, flags: int, wait: bool) -> int | None:
    """An open file that holds the lock; None if another process holds it, or if the path was
    removed or replaced while this one waited.

    Raises:
        RootstockError: the file system has no locks.
    """
    try:
        handle = os.open(path, flags, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
    except (FileNotFoundError, BlockingIOError):
        pass
    except OSError as error:
        os.close(handle)
        if error.errno in NO_LOCKS:
            message = f"{no_locks(path.parent, error)}, as `store` in the spec."
            raise RootstockError(message[0].upper() + message[1:]) from error
        raise
    os.close(handle)
    return None
