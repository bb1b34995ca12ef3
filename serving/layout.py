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
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_STAGING = ".staging-"
_LOCK = ".lock"
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
    with _lock(directory / _LOCK):
        _sweep(directory)
        if (pushed := find(directory, digest)) is not None:
            return pushed
        staging = directory / f"{_STAGING}{uuid.uuid4().hex}"
        alive = _lock(_alive(staging))
    with alive:
        try:
            staging.mkdir()
            _copy(saved_model, staging, digest)
            with _lock(directory / _LOCK):
                if (pushed := find(directory, digest)) is not None:
                    return pushed
                version = _next(directory)
                staging.rename(directory / str(version))
                _sync(directory)
                return version
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            _alive(staging).unlink()


def _copy(saved_model: Path, staging: Path, digest: str) -> None:
    """Fill `staging`, on disk when this returns."""
    try:
        shutil.copytree(saved_model, staging, dirs_exist_ok=True)
    except shutil.Error as error:  # a list of all that failed, as text
        raise OSError(error.args[0][0][2]) from error
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
    _sync(written)
    written.replace(record)
    return version


def _sweep(directory: Path) -> None:
    """Remove what pushers staged that are no longer alive. The caller holds the lock."""
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
