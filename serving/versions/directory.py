"""Where served models lie: `<base>/<model>/<integer version>/`, as TF Serving reads it.

Versions count 1, 2, 3, …; a number is never used twice, even after its directory was deleted,
because the last one given out is kept in `.last_version`. A version appears by one rename, so a
server that polls the directory sees all of it or nothing; it disappears by one rename too. Pushers
exclude each other with a lock that the kernel releases when its holder dies; what a dead pusher
left is swept by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from serving.versions import labels
from serving.versions.history import FILE, Origin, digest_of, history, newest_of, numbers
from serving.versions.rollback import before, relabelled, superfluous

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_STAGING = ".staging-"
_RETIRED = ".retired-"
_LOCK = ".lock"


class NoSuchVersion(Exception):
    """A version that is needed is not there."""


def model_directory(base: Path, model: str) -> Path:
    """`<base>/<model>`.

    Raises:
        ValueError: a name that cannot stand in a path or in a request's URL.
    """
    check_name(model)
    return base / model


def check_name(name: str, what: str = "model name") -> None:
    """Raises ValueError for a name that cannot stand in a path or in a request's URL."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"Expected a {what} of letters, digits, '_', '-' and '.'. Received: {name!r}"
        )


def push(base: Path, model: str, saved_model: Path, digest: str, keep: int | None = None) -> int:
    """Copy a SavedModel in as the next version; one pushed before with this digest is kept instead.

    keep: how many versions to leave there, newest first; see `going_back.superfluous` for those
        that stay besides. None: all.

    Returns:
        The version.

    Raises:
        ValueError: an impossible model name.
        OSError: the destination cannot be written; nothing is left there.
    """
    directory = model_directory(base, model)
    directory.mkdir(parents=True, exist_ok=True)
    with _staged(directory, digest) as staging:
        if isinstance(staging, int):
            return staging
        _copy(saved_model, staging, Origin.now(digest), shutil.copy2)
        with locked(directory):
            if (pushed := newest_of(history(directory), digest)) is not None:
                return pushed
            version = _appear(directory, staging)
            _retire(directory, keep)
            return version


def rollback(
    base: Path, model: str, to: int | None = None, keep: int | None = None
) -> tuple[int, int]:
    """Serve an earlier version's content again, as a new version: numbers only ever grow.

    Labels move to it as `going_back.relabelled` says.

    to: the version whose content to restore; when None, what was served before, as
        `going_back.before` says.
    keep: see `push`.

    Returns:
        The new version, and the one whose content it has.

    Raises:
        NoSuchVersion: there is no such version.
        OSError: the destination cannot be written; nothing is left there.
    """
    directory = model_directory(base, model)
    known = history(directory)
    restored = to_restore(known, labels.read_all(directory), to, str(directory))
    with _staged(directory) as staging:
        assert isinstance(staging, Path)
        restoring = Origin.now(digest_of(known, restored), restored)
        _copy(directory / str(restored), staging, restoring, _link)
        with locked(directory):
            known, told = history(directory), labels.read_all(directory)
            version = _appear(directory, staging)
            if told.versions:
                told = relabelled(known, told, restored, version, asked=to is not None)
                labels.write(directory, told)
            _retire(directory, keep)
            return version, restored


def to_restore(
    known: Mapping[int, Origin | None], told: labels.Labels, to: int | None, place: str
) -> int:
    """The version that a rollback restores.

    Raises:
        NoSuchVersion: it is not there.
    """
    if not known:
        raise NoSuchVersion(f"{place} holds no version.")
    restored = before(known, told) if to is None else to
    if restored is None or restored not in known:
        missing = "no other model that was served" if to is None else f"no version {to}"
        raise NoSuchVersion(
            f"{place} holds {missing}. Versions there: {', '.join(map(str, known))}."
        )
    return restored


def push_again(base: Path, model: str, version: int, keep: int | None = None) -> int:
    """Make a version's model the newest, as a new version. Labels stay where they are.

    Returns:
        The new version.

    Raises:
        OSError: the version is not there, or the destination cannot be written; nothing is left.
    """
    directory = model_directory(base, model)
    with _staged(directory) as staging:
        assert isinstance(staging, Path)
        again = Origin.now(digest_of(history(directory), version))
        _copy(directory / str(version), staging, again, _link)
        with locked(directory):
            new = _appear(directory, staging)
            _retire(directory, keep)
            return new


def label(base: Path, model: str, name: str, version: int | None = None) -> int:
    """Give a label to a version, the newest when None; whoever had it loses it.

    Raises:
        NoSuchVersion: there is no such version.
        ValueError: a label that cannot stand in a request's URL.
    """
    check_name(name, "label")
    directory = model_directory(base, model)
    known = numbers(directory)
    if not known or (version is not None and version not in known):
        raise NoSuchVersion(f"{directory} holds no version {version or ''}".rstrip() + ".")
    chosen = version or known[-1]
    with locked(directory):
        labels.write(directory, labels.read_all(directory).moved(name, chosen, known))
    return chosen


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other pushers away from a model's directory."""
    with _lock(directory / _LOCK):
        yield


@contextlib.contextmanager
def _staged(directory: Path, digest: str | None = None) -> Iterator[Path | int]:
    """A new directory that servers ignore, removed in the end; or the version that there is of this
    digest.
    """
    with locked(directory):
        _sweep(directory)
        if digest is not None and (pushed := newest_of(history(directory), digest)) is not None:
            yield pushed
            return
        staging = directory / f"{_STAGING}{uuid.uuid4().hex}"
        alive = _lock(_alive(staging))
    with alive:
        try:
            staging.mkdir()
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            _alive(staging).unlink()


def _appear(directory: Path, staging: Path) -> int:
    """Make a staged directory the next version. The caller holds the lock."""
    version = _next(directory)
    staging.rename(directory / str(version))
    _sync(directory)
    return version


def _copy(
    saved_model: Path, staging: Path, origin: Origin, copy: Callable[[str, str], object]
) -> None:
    """Fill `staging`, on disk when this returns."""
    try:
        shutil.copytree(
            saved_model,
            staging,
            dirs_exist_ok=True,
            copy_function=copy,
            ignore=shutil.ignore_patterns(FILE.name),
        )
    except shutil.Error as error:  # a list of all that failed, as text
        raise OSError(error.args[0][0][2]) from error
    written = staging / FILE
    written.parent.mkdir(exist_ok=True)
    written.write_text(origin.to_json())
    for path in [staging, *staging.rglob("*")]:
        _sync(path)


def _link(source: str, target: str) -> None:
    """The same file under a second name, where the filesystem can: versions never change."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _next(directory: Path) -> int:
    """Give out the next number, for good. The caller holds the lock."""
    record = directory / ".last_version"
    last = int(record.read_text()) if record.exists() else 0
    version = max([last, *numbers(directory)]) + 1
    written = record.with_suffix(".new")
    written.write_text(str(version))
    _sync(written)
    written.replace(record)
    return version


def _retire(directory: Path, keep: int | None) -> None:
    """Remove old versions. The caller holds the lock."""
    if keep is None:
        return
    for version in superfluous(history(directory), labels.read_all(directory), keep):
        retired = directory / f"{_RETIRED}{version}-{uuid.uuid4().hex}"
        (directory / str(version)).rename(retired)
        shutil.rmtree(retired, ignore_errors=True)


def _sweep(directory: Path) -> None:
    """Remove what dead pushers left. The caller holds the lock."""
    for retired in directory.glob(f"{_RETIRED}*"):
        shutil.rmtree(retired, ignore_errors=True)
    for path in directory.glob(f"{_STAGING}*{_LOCK}"):
        try:
            lock = _lock(path, wait=False)
        except BlockingIOError:
            continue
        with lock:
            shutil.rmtree(path.with_name(path.name.removesuffix(_LOCK)), ignore_errors=True)
            path.unlink(missing_ok=True)


def _alive(staging: Path) -> Path:
    """The file that a pusher keeps locked as long as it needs `staging`."""
    return staging.with_name(staging.name + _LOCK)


def _lock(path: Path, wait: bool = True) -> BinaryIO:
    """Lock a file until it is closed or this process ends.

    Raises:
        BlockingIOError: another holds it, and we shall not wait.
    """
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        file.close()
        raise
    return file


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
