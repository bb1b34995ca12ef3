"""Where served models lie: `<base>/<model>/<integer version>/`, as TF Serving reads it.

Versions count 1, 2, 3, …; a number is never used twice, even after its directory was deleted,
because the last one given out is kept in `.last_version`. A version appears by one rename, so a
server that polls the directory sees all of it or nothing. Pushers exclude each other with a lock
that the kernel releases when its holder dies; what a dead pusher staged is swept by the next one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_STAGING = ".staging-"
_ORIGIN = Path("assets.extra") / "rootstock.json"  # TF Serving reads nothing else in there


def model_directory(base: Path, model: str) -> Path:
    """`<base>/<model>`.

    Raises:
        ValueError: a name that cannot stand in a path or in a request's URL.
    """
    if not _NAME.fullmatch(model):
        raise ValueError(
            f"Expected a model name of letters, digits, '_', '-' and '.'. Received: {model!r}"
        )
    return base / model


def versions(directory: Path) -> list[int]:
    """The versions in a model's directory, ascending; empty if there is no such directory."""
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(e.name) for e in entries if re.fullmatch("[0-9]+", e.name) and e.is_dir())


def digest_of(version: Path) -> str | None:
    """The digest that a version was pushed with; None for a version that others put there."""
    try:
        return str(json.loads((version / _ORIGIN).read_text())["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find(directory: Path, digest: str) -> int | None:
    """The newest version pushed with this digest."""
    return next(
        (v for v in reversed(versions(directory)) if digest_of(directory / str(v)) == digest), None
    )


def push(base: Path, model: str, saved_model: Path, digest: str) -> int:
    """Copy a SavedModel in as the next version; one pushed before with this digest is kept instead.

    Returns:
        The version.

    Raises:
        ValueError: an impossible model name.
        OSError: the destination cannot be written; nothing is left there.
    """
    directory = model_directory(base, model)
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory):
        _sweep(directory)
        if (pushed := find(directory, digest)) is not None:
            return pushed
        staging = directory / f"{_STAGING}{uuid.uuid4().hex}"
        staging.mkdir()
        alive = _lock(staging)
    try:
        _copy(saved_model, staging, digest)
        with _locked(directory):
            if (pushed := find(directory, digest)) is not None:
                return pushed
            version = _next(directory)
            staging.rename(directory / str(version))
            _sync(directory)
            return version
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(alive)


def _copy(saved_model: Path, staging: Path, digest: str) -> None:
    """Fill `staging`, on disk when this returns."""
    shutil.copytree(saved_model, staging, dirs_exist_ok=True)
    origin = staging / _ORIGIN
    origin.parent.mkdir(exist_ok=True)
    origin.write_text(json.dumps({"digest": digest}) + "\n")
    for path in [staging, *staging.rglob("*")]:
        _sync(path)


def _next(directory: Path) -> int:
    """Give out the next number, for good. The caller holds the lock."""
    record = directory / ".last_version"
    last = int(record.read_text()) if record.exists() else 0
    version = max([last, *versions(directory)]) + 1
    written = record.with_suffix(".new")
    written.write_text(str(version))
    written.replace(record)
    return version


def _sweep(directory: Path) -> None:
    """Remove what pushers staged that are no longer alive. The caller holds the lock."""
    for staging in directory.glob(f"{_STAGING}*"):
        descriptor = os.open(staging, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(staging)
        finally:
            os.close(descriptor)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = _lock(directory)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(directory: Path) -> int:
    """Lock a directory until the returned descriptor is closed or this process ends."""
    descriptor = os.open(directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
