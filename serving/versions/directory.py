"""A push destination on disk: `<base>/<model>/<version>/`, the layout that TF Serving reads.

Versions are numbered 1, 2, 3, … A number is never reused, even after its directory was deleted:
`.last_version` holds the last one. A version appears by one rename, so a server that polls the
directory sees all of it or nothing; it disappears by one rename too. Writers exclude each other
with a lock that the kernel releases if its holder dies. The next writer deletes what a dead one
left behind.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.files import lock, sync, write_atomically
from serving.manifest import Depth
from serving.versions.base import Destination, check_name
from serving.versions.history import (
    FILE,
    History,
    Origin,
    damage,
    next_version,
    read_history,
    version_numbers,
    version_path,
)
from serving.versions.labels import Labels, read_labels, write_labels

_STAGING = ".staging-"
_RETIRED = ".retired-"
_LOCK = ".lock"


class Directory(Destination):
    """A local or mounted directory."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def history(self, model: str) -> History:
        return read_history(self._directory(model))

    def location(self, model: str, version: int | None = None) -> str:
        directory = self._directory(model)
        place = directory if version is None else version_path(directory, version)
        return str(place.absolute())

    def damage(self, model: str, version: int, depth: Depth = "sizes") -> list[str]:
        return damage(version_path(self._directory(model), version), depth)

    def fetch(self, model: str, version: int, cache: Path) -> Path:
        return version_path(self._directory(model), version)

    def _directory(self, model: str) -> Path:
        check_name(model)
        return self._base / model

    @contextmanager
    def _locked(self, model: str) -> Iterator[None]:
        directory = self._directory(model)
        directory.mkdir(parents=True, exist_ok=True)
        with lock(directory / _LOCK):
            _sweep(directory)
            yield

    @contextmanager
    def _staged(
        self, model: str, source: Path | int, origin: Origin
    ) -> Iterator[Callable[[], int]]:
        directory = self._directory(model)
        staging = directory / f"{_STAGING}{uuid.uuid4().hex}"
        with self._locked(model):
            in_use = lock(_lock_of(staging))

        def publish() -> int:
            version = _next_number(directory)
            staging.rename(directory / str(version))
            sync(directory)
            return version

        with in_use:
            try:
                staging.mkdir()
                if isinstance(source, int):
                    _copy(version_path(directory, source), staging, origin, _link)
                else:
                    _copy(source, staging, origin, shutil.copy2)
                yield publish
            finally:
                shutil.rmtree(staging, ignore_errors=True)
                _lock_of(staging).unlink()

    def _remove(self, model: str, version: int) -> None:
        directory = self._directory(model)
        retired = directory / f"{_RETIRED}{version}-{uuid.uuid4().hex}"
        version_path(directory, version).rename(retired)
        shutil.rmtree(retired, ignore_errors=True)

    def _read_labels(self, model: str) -> Labels:
        return read_labels(self._directory(model))

    def _write_labels(self, model: str, labels: Labels) -> None:
        write_labels(self._directory(model), labels)


def _copy(
    source: Path, staging: Path, origin: Origin, copy_file: Callable[[str, str], object]
) -> None:
    """Fill `staging`; everything is on disk when this returns."""
    for parent, directories, names in os.walk(source, followlinks=True):
        target = staging / os.path.relpath(parent, source)
        for name in directories:
            (target / name).mkdir()
        for name in names:
            if name != FILE.name:
                copy_file(os.path.join(parent, name), str(target / name))
    origin_file = staging / FILE
    origin_file.parent.mkdir(exist_ok=True)
    origin_file.write_text(origin.to_json())
    for path in [staging, *staging.rglob("*")]:
        sync(path)


def _link(source: str, target: str) -> None:
    """Hard-link a file if the filesystem can: versions never change, so they may share files."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _next_number(directory: Path) -> int:
    """Take the next version number, for good. The caller holds the lock."""
    record = directory / ".last_version"
    last = int(record.read_text()) if record.exists() else 0
    version = next_version([last, *version_numbers(directory)])
    write_atomically(record, str(version))
    return version


def _sweep(directory: Path) -> None:
    """Delete what dead writers left behind. The caller holds the lock."""
    for retired in directory.glob(f"{_RETIRED}*"):
        shutil.rmtree(retired, ignore_errors=True)
    for path in directory.glob(f"{_STAGING}*{_LOCK}"):
        try:
            abandoned = lock(path, wait=False)
        except BlockingIOError:  # its writer is alive
            continue
        with abandoned:
            shutil.rmtree(path.with_name(path.name.removesuffix(_LOCK)), ignore_errors=True)
            path.unlink(missing_ok=True)


def _lock_of(staging: Path) -> Path:
    """The file that a writer keeps locked while it uses `staging`."""
    return staging.with_name(staging.name + _LOCK)
