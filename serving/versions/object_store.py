"""Versions in a store without renames, such as S3 or GCS, through fsspec.

A number is claimed by making `.claims/<number>`, which only one pusher can do where the store has
an atomic "create only" (S3, GCS and Azure have). Of a version's files `saved_model.pb` comes last:
without it servers take the directory for incomplete. So a push that died leaves a number that was
never served and is never used again.
"""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import fsspec

from serving.versions.base import Destination
from serving.versions.directory import NoSuchVersion, check_name, to_restore
from serving.versions.history import FILE, Origin, digest_of, newest_of
from serving.versions.labels import FILE as LABELS
from serving.versions.labels import HISTORY as LABEL_HISTORY
from serving.versions.labels import Labels
from serving.versions.rollback import relabelled, superfluous, tried

_LAST = "saved_model.pb"
_CLAIMS = ".claims"


class ObjectStore(Destination):
    """See `Destination`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.fs, root = fsspec.core.url_to_fs(url)
        self.root = str(root).rstrip("/")

    def push(self, model: str, saved_model: Path, digest: str, keep: int | None) -> int:
        """See `Destination`. Of two pushes of one model at once each may make a version."""
        check_name(model)
        if (pushed := newest_of(self.history(model), digest)) is not None:
            return pushed
        files = [
            p.relative_to(saved_model).as_posix() for p in saved_model.rglob("*") if p.is_file()
        ]
        version = self._write(
            model,
            files,
            lambda name, target: self.fs.put_file(str(saved_model / name), target),
            Origin.now(digest),
        )
        self._retire(model, keep)
        return version

    def rollback(
        self, model: str, to: int | None = None, keep: int | None = None
    ) -> tuple[int, int]:
        """See `Destination`."""
        known, told = self.history(model), self._labels(model)
        restored = to_restore(known, told, to, self.place(model))
        version = self._copied(model, restored, Origin.now(digest_of(known, restored), restored))
        if told.versions:
            told = relabelled(known, told, restored, version, asked=to is not None)
            self._write_labels(model, told)
        self._retire(model, keep)
        return version, restored

    def push_again(self, model: str, version: int, keep: int | None = None) -> int:
        """See `Destination`."""
        again = Origin.now(digest_of(self.history(model), version))
        new = self._copied(model, version, again)
        self._retire(model, keep)
        return new

    def label(self, model: str, name: str, version: int | None = None) -> int:
        """See `Destination`."""
        check_name(name, "label")
        known = self.history(model)
        if not known or (version is not None and version not in known):
            raise NoSuchVersion(f"{self.place(model)} holds no version {version or ''}".rstrip())
        chosen = version or max(known)
        self._write_labels(model, self._labels(model).moved(name, chosen, known))
        return chosen

    def history(self, model: str) -> Mapping[int, Origin | None]:
        """See `Destination`."""
        self.fs.invalidate_cache()
        found = self.fs.glob(self._path(model, "*", _LAST))
        numbers = (posixpath.basename(posixpath.dirname(path)) for path in found)
        return {v: self._origin(model, v) for v in sorted(int(n) for n in numbers if n.isdigit())}

    def labels(self, model: str) -> Mapping[str, int]:
        """See `Destination`."""
        return self._labels(model).versions

    def tried(self, model: str) -> set[int]:
        """See `Destination`."""
        return tried(self.history(model), self._labels(model))

    def fetch(self, model: str, version: int, cache: Path) -> Path:
        """See `Destination`."""
        origin = self._origin(model, version)
        kept = hashlib.sha256(self.place(model, version).encode()).hexdigest()[:16]
        fetched = cache / f"{model}-{origin.digest if origin else kept}"
        if not (fetched / _LAST).exists():
            shutil.rmtree(fetched, ignore_errors=True)
            arriving = fetched.with_name(f".{fetched.name}.{uuid.uuid4().hex}")
            source = self._path(model, str(version))
            for path in self.fs.find(source):
                target = arriving / posixpath.relpath(path, source)
                target.parent.mkdir(parents=True, exist_ok=True)
                self.fs.get_file(path, str(target))
            arriving.rename(fetched)
        return fetched

    def place(self, model: str, version: int | None = None) -> str:
        """See `Destination`."""
        return "/".join([self.url, model, *([] if version is None else [str(version)])])

    def _path(self, *parts: str) -> str:
        return "/".join([self.root, *parts])

    def _origin(self, model: str, version: int) -> Origin | None:
        try:
            return Origin.parse(self.fs.cat_file(self._path(model, str(version), FILE.as_posix())))
        except FileNotFoundError:
            return None

    def _write(
        self, model: str, files: Iterable[str], copy: Callable[[str, str], None], origin: Origin
    ) -> int:
        """Write a version under the next number, the file that makes it one last."""
        version = self._claim(model)
        for name in sorted(set(files) - {FILE.as_posix()}, key=lambda n: (n == _LAST, n)):
            target = self._path(model, str(version), name)
            if name == _LAST:
                place = self._path(model, str(version), FILE.as_posix())
                self.fs.makedirs(posixpath.dirname(place), exist_ok=True)
                self.fs.pipe_file(place, origin.to_json().encode())
            self.fs.makedirs(posixpath.dirname(target), exist_ok=True)
            copy(name, target)
        return version

    def _claim(self, model: str) -> int:
        claims = self._path(model, _CLAIMS)
        self.fs.makedirs(claims, exist_ok=True)
        while True:
            self.fs.invalidate_cache()
            taken = [posixpath.basename(p) for p in self.fs.find(claims)]
            taken += [posixpath.basename(p) for p in self.fs.glob(self._path(model, "*"))]
            version = max((int(name) for name in taken if name.isdigit()), default=0) + 1
            try:
                self.fs.pipe_file(f"{claims}/{version}", b"claimed", mode="create")
                return version
            except FileExistsError:
                continue

    def _copied(self, model: str, version: int, origin: Origin) -> int:
        """Write a version's content again, as a new version."""
        source = self._path(model, str(version))
        files = [posixpath.relpath(path, source) for path in self.fs.find(source)]
        if _LAST not in files:
            raise FileNotFoundError(f"{self.place(model, version)} is not there")
        return self._write(
            model,
            files,
            lambda name, target: self.fs.cp_file(f"{source}/{name}", target),
            origin,
        )

    def _retire(self, model: str, keep: int | None) -> None:
        if keep is None:
            return
        for version in superfluous(self.history(model), self._labels(model), keep):
            self.fs.rm(self._path(model, str(version)), recursive=True)

    def _labels(self, model: str) -> Labels:
        return Labels.parse(*(self._content(model, name) for name in (LABELS, LABEL_HISTORY)))

    def _content(self, model: str, name: str) -> bytes:
        try:
            return bytes(self.fs.cat_file(self._path(model, name)))
        except FileNotFoundError:
            return b""

    def _write_labels(self, model: str, labels: Labels) -> None:
        for name, content in labels.contents().items():
            self.fs.pipe_file(self._path(model, name), content.encode())
