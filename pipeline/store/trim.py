"""Keeps the cache of remote stores and sources within its size.

When a command starts, the copies that were used least recently are removed until the rest is within
`$ROOTSTOCK_CACHE_GB` (50 if it is not set). What was used since the oldest running command began
stays, and so does a result that is not uploaded yet. What is removed is fetched when it is needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from components.data.cache import cache
from components.data.remote_files import INDEX
from components.errors import RootstockError
from pipeline.store.entry import RECORD
from pipeline.store.locks import kept

LIMIT = "ROOTSTOCK_CACHE_GB"
DEFAULT_GB = "50"
STORED = "stored"
"""An empty file in the copy of a result: the remote store has it. Its time is that of the last use.
"""
_here: dict[Path, int] = {}
"""By directory: the lock that shows that this process runs, which is held until it ends."""


def trim() -> None:
    """Remove what is too much.

    Raises:
        RootstockError: the limit is not a number.
    """
    text = os.environ.get(LIMIT) or DEFAULT_GB
    try:
        limit = float(text) * 1e9
    except ValueError as e:
        raise RootstockError(f"{LIMIT}={text}: expected a number of gigabytes.") from e
    running = _oldest_command()
    copies = sorted((_used(mark), mark) for mark in _marks())
    sizes = {mark: _size(mark) for _, mark in copies}
    total = sum(sizes.values())
    for used, mark in copies:
        if total > limit and used < running and _used(mark) == used:
            _remove(mark)
            total -= sizes[mark]


def _marks() -> Iterator[Path]:
    """A file for each copy, in its directory: its time is that of the last use."""
    yield from (cache() / "stores").glob(f"*/*/[!.]*/{STORED}")
    yield from (cache() / "sources").glob(f"*/{INDEX}")


def _used(mark: Path) -> float:
    with contextlib.suppress(OSError):
        return mark.stat().st_mtime
    return time.time()  # it was just removed or replaced


def _size(mark: Path) -> int:
    total = 0
    for directory, _, names in os.walk(mark.parent):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(directory, name)).st_size
    return total


def _remove(mark: Path) -> None:
    """Remove the content of a copy, and keep what says where it comes from."""
    for path in mark.parent.iterdir():
        if path.is_dir():
            doomed = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            path.rename(doomed)  # so that nobody sees a part of it
            shutil.rmtree(doomed, ignore_errors=True)
        elif path.name not in (RECORD, STORED, INDEX):
            path.unlink()


def _oldest_command() -> float:
    """When the oldest running command that uses the cache began. This process is one of them."""
    users = cache() / "users"
    users.mkdir(parents=True, exist_ok=True)
    if users not in _here:
        _here[users] = kept(users / uuid.uuid4().hex)
    oldest = time.time()
    for file in users.iterdir():
        with contextlib.suppress(OSError):
            handle = os.open(file, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()  # its process has ended
            except BlockingIOError:
                oldest = min(oldest, os.fstat(handle).st_mtime)
            finally:
                os.close(handle)
    return oldest
