"""Locks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def held(directory: Path) -> Iterator[Path]:
    """Make a directory and lock it: the kernel lets go when its holder dies, however it dies."""
    while (handle := _lock(directory)) is None:
        pass
    try:
        yield directory
    finally:
        os.close(handle)


def _lock(directory: Path) -> int | None:
    """Wait for the lock of a directory; None if it was removed or replaced in the meantime."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(directory, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(handle, fcntl.LOCK_EX)
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(handle), os.stat(directory)):
            return handle
    os.close(handle)
    return None


def sweep(directory: Path) -> None:
    """Remove a directory that no living process holds."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory)
        finally:
            os.close(handle)


@contextlib.contextmanager
def locked(file: Path, wait: bool) -> Iterator[bool]:
    """Hold a lock between processes; gives False if another holds it and we do not wait."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)
