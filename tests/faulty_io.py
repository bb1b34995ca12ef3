"""Makes the n-th call that reaches the disk fail, as SQLite's tests do.

Calls of this thread count: open for writing, write, fsync, rename, link, remove, mkdir, rmdir and
truncate. Python announces some of them to audit hooks; the others are replaced.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

AUDITED = {
    "os.rename": "rename",
    "os.link": "link",
    "os.remove": "remove",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "os.truncate": "truncate",
}


class Faults:
    """Counts calls, and fails the one with the number `at`, counted from 1; none if it is 0.

    calls: the names of the calls so far.
    """

    def __init__(self, at: int, code: int = errno.ENOSPC) -> None:
        self.at, self.code = at, code
        self.calls: list[str] = []
        self.thread = threading.get_ident()

    def count(self, call: str) -> None:
        if threading.get_ident() != self.thread:
            return
        self.calls.append(call)
        if len(self.calls) == self.at:
            raise OSError(self.code, os.strerror(self.code))

    def counted(self, call: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **others: Any) -> Any:
            self.count(call)
            return function(*arguments, **others)

        return counting

    def opened(self, file: Any) -> Any:
        """A file whose writes are counted."""
        file.write = self.counted("write", file.write)
        return file


_active: list[Faults] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _active and event in AUDITED:
        _active[0].count(AUDITED[event])


sys.addaudithook(_hook)


@contextmanager
def faults(at: int, code: int = errno.ENOSPC) -> Iterator[Faults]:
    """Fail one call in the block."""
    active, open_file, open_number = Faults(at, code), io.open, os.open

    def counted_open(file: Any, mode: str = "r", *arguments: Any, **others: Any) -> Any:
        if not set(mode) & set("wax+"):
            return open_file(file, mode, *arguments, **others)
        active.count("open")
        return active.opened(open_file(file, mode, *arguments, **others))

    def counted_open_number(path: Any, flags: int, *arguments: Any, **others: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            active.count("open")
        return open_number(path, flags, *arguments, **others)

    with (
        mock.patch.object(io, "open", counted_open),
        mock.patch.object(builtins, "open", counted_open),
        mock.patch.object(os, "open", counted_open_number),
        mock.patch.object(os, "write", active.counted("write", os.write)),
        mock.patch.object(os, "fsync", active.counted("fsync", os.fsync)),
    ):
        _active.append(active)
        try:
            yield active
        finally:
            _active.clear()
