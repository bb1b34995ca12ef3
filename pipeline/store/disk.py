"""Errors of the disk that a store is on, as messages that name the directory."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from components.errors import DISK_FULL, RootstockError


@contextlib.contextmanager
def named_errors(where: Path) -> Iterator[None]:
    """Turn errors of a full, failing or read-only disk into errors that name the directory."""
    try:
        yield
    except OSError as e:
        if e.errno in DISK_FULL:
            raise RootstockError(
                f"{where}: no space left on this disk ({e.strerror}). Free some space, or choose"
                " another `store` in the spec, and run the same command again. Finished stages are"
                " kept."
            ) from e
        if e.errno == errno.EIO:
            raise RootstockError(
                f"{e.filename or where}: the disk cannot be read or written ({e.strerror}). It, or"
                " the connection to it, may be failing. Check it, and run the same command again."
                " Finished stages are kept."
            ) from e
        if e.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise RootstockError(
                f"{e.filename or where}: cannot be written ({e.strerror}). Choose a writable"
                " directory, or change its permissions."
            ) from e
        raise
