"""A push destination in a store without renames, such as S3 or GCS, through fsspec.

To take a version number, a writer creates `.claims/<number>`. Only one writer can do that if the
store has an atomic "create only" operation; S3, GCS and Azure have one. `saved_model.pb` is written
last, and servers take a directory without it for incomplete. So a writer that dies leaves a number
that was never served and is never used again.
"""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec

from serving.manifest import Depth, differences, size_differences
from serving.versions import labels as label_files
from serving.versions.base import Destination
from serving.versions.history import FILE, History, Origin, damage, next_version, version_number
from serving.versions.labels import Labels

_GRAPH = "saved_model.pb"
_CLAIMS = ".claims"


class ObjectStore(Destination):
    """A store behind an fsspec URL. It has no lock: two simultaneous pushes of one model may each
    make a version.

    shown: the URL without passwords, for messages and records.
    """

    def __init__(self, url: str, shown: str = "") -> None:
        self._url = (shown or url).rstrip("/")
        self.fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")

    def history(self, model: str) -> History:
        self.fs.invalidate_cache()
        graphs = self.fs.glob(self._path(model, "*", _GRAPH))
        names = (posixpath.basename(posixpath.dirname(path)) for path in graphs)
        parsed = ((version_number(name), name) for name in names)
        numbers = sorted(n for n, name in parsed if n is not None and str(n) == name)
        return {version: self._origin(model, version) for version in numbers}

    def location(self, model: str, version: int | None = None) -> str:
        return "/".join([self._url, model, *([] if version is None else [str(version)])])

    def damage(self, model: str, version: int, depth: Depth = "sizes") -> list[str]:
        origin = self._origin(model, version)
        if origin is None or origin.files is None:
            return []
        if depth == "sizes":
            directory = self._path(model, str(version))
            self.fs.invalidate_cache()
            found = self.fs.find(directory, detail=True).items()
            sizes = {posixpath.relpath(path, directory): info["size"] for path, info in found}
            known = {name: size for name, size in sizes.items() if name in origin.files}
            return size_differences(known, origin.files)
        with TemporaryDirectory() as copy:
            self._download(model, version, Path(copy))
            return differences(Path(copy), origin.files, depth, extra=False)

    def fetch(self, model: str, version: int, cache: Path) -> Path:
        origin = self._origin(model, version)
        url_hash = hashlib.sha256(self.location(model, version).encode()).hexdigest()[:16]
        fetched = cache / f"{model}-{origin.digest if origin else url_hash}"
        if not (fetched / _GRAPH).exists() or damage(fetched, "sizes"):
            shutil.rmtree(fetched, ignore_errors=True)
            arriving = fetched.with_name(f".{fetched.name}.{uuid.uuid4().hex}")
            self._download(model, version, arriving)
            arriving.rename(fetched)
        return fetched

    def _download(self, model: str, version: int, directory: Path) -> None:
        for name in self._files(model, version):
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            self.fs.get_file(self._path(model, str(version), name), str(target))

    def _locked(self, model: str) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def _staged(
        self, model: str, source: Path | int, origin: Origin
    ) -> Iterator[Callable[[], int]]:
        def publish() -> int:
            version = self._claim(model)
            if isinstance(source, int):
                names = self._files(model, source)
            else:
                names = [p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()]
            for name in sorted({*names, FILE.as_posix()}, key=lambda n: (n == _GRAPH, n)):
                target = self._path(model, str(version), name)
                self.fs.makedirs(posixpath.dirname(target), exist_ok=True)
                if name == FILE.as_posix():
                    self.fs.pipe_file(target, origin.to_json().encode())
                elif isinstance(source, int):
                    self.fs.cp_file(self._path(model, str(source), name), target)
                else:
                    self.fs.put_file(str(source / name), target)
            return version

        yield publish  # a store without renames has no place to prepare a version in

    def _remove(self, model: str, version: int) -> None:
        self.fs.rm(self._path(model, str(version)), recursive=True)

    def _read_labels(self, model: str) -> Labels:
        files = label_files.FILE, label_files.HISTORY
        return Labels.parse(*(self._content(model, name) for name in files))

    def _write_labels(self, model: str, labels: Labels) -> None:
        for name, content in labels.contents().items():
            self.fs.pipe_file(self._path(model, name), content.encode())

    def _path(self, *parts: str) -> str:
        return "/".join([self._root, *parts])

    def _files(self, model: str, version: int) -> list[str]:
        """The files of a version, relative to it."""
        directory = self._path(model, str(version))
        return [posixpath.relpath(path, directory) for path in self.fs.find(directory)]

    def _content(self, *parts: str) -> bytes:
        try:
            return bytes(self.fs.cat_file(self._path(*parts)))
        except FileNotFoundError:
            return b""

    def _origin(self, model: str, version: int) -> Origin | None:
        return Origin.parse(self._content(model, str(version), FILE.as_posix()))

    def _claim(self, model: str) -> int:
        """Take the next version number, for good."""
        claims = self._path(model, _CLAIMS)
        self.fs.makedirs(claims, exist_ok=True)
        while True:
            self.fs.invalidate_cache()
            names = [posixpath.basename(path) for path in self.fs.find(claims)]
            names += [posixpath.basename(path) for path in self.fs.glob(self._path(model, "*"))]
            version = next_version(n for name in names if (n := version_number(name)) is not None)
            try:
                self.fs.pipe_file(f"{claims}/{version}", b"claimed", mode="create")
                return version
            except FileExistsError:
                continue
