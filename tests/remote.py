"""A store without renames, in memory, that counts requests and fails on demand."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

SCHEME = "bucket"


class Bucket(MemoryFileSystem):
    """requests: what was asked for, as (kind, path). fault: called before each request. ranges:
    whether requests for a part of an object get that part. received: the bytes of such parts.
    """

    protocol = SCHEME
    cachable = True
    root_marker = "/"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    requests: ClassVar[list[tuple[str, str]]] = []
    fault: ClassVar[Callable[[str, str], None] | None] = None
    ranges: ClassVar[bool] = True
    received: ClassVar[int] = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace(f"{SCHEME}://", "memory://"))

    @classmethod
    def _asked(cls, kind: str, path: str) -> None:
        cls.requests.append((kind, path))
        if cls.fault is not None:
            cls.fault(kind, path)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        """Several threads at a time: see `get_file`."""
        self._asked("get" if start is None and end is None else "range", path)
        if (file := self.store.get(self._strip_protocol(path))) is None:
            raise FileNotFoundError(path)
        content = bytes(file.getvalue())
        if (start is None and end is None) or not self.ranges:
            return content
        if (start or 0) >= len(content):
            raise OSError(errno.EINVAL, "The requested range is not satisfiable")
        part = content[start:end]
        Bucket.received += len(part)
        return part

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        self._asked("put", path)
        if mode == "create" and path in self.store:
            raise FileExistsError(path)
        super().pipe_file(path, value, mode="overwrite", **kwargs)

    def put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        self._asked("put", rpath)
        super().put_file(lpath, rpath, *args, **kwargs)

    def get_file(self, rpath: str, lpath: str, *args: Any, **kwargs: Any) -> None:
        """Several threads at a time, which share the position in an open file of memory."""
        self._asked("get", rpath)
        if (file := self.store.get(self._strip_protocol(rpath))) is None:
            raise FileNotFoundError(rpath)
        Path(lpath).write_bytes(file.getvalue())

    def rm_file(self, path: str) -> None:
        self._asked("delete", path)
        super().rm_file(path)

    def find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        self._asked("list", path)
        return super().find(path, *args, **kwargs)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[type[Bucket]]:
    """An empty bucket behind `bucket://`, and an empty cache."""
    fsspec.register_implementation(SCHEME, Bucket, clobber=True)
    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("components.data.objects.WAITS_S", (0.0, 0.0, 0.0))
    Bucket.store.clear()
    Bucket.pseudo_dirs[:] = [""]
    Bucket.requests.clear()
    Bucket.fault, Bucket.ranges, Bucket.received = None, True, 0
    yield Bucket
    Bucket.fault, Bucket.ranges = None, True
