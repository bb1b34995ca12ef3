"""Finds the local directory of a TF Hub module, downloading it if needed, without TensorFlow.

Downloads go to the cache of `tensorflow_hub`, so the two share their downloads.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import urllib.request
import uuid
import zlib
from pathlib import Path
from typing import IO

from models.masked_url import MaskedUrl, without_secrets
from models.trunks.base import TrunkError
from models.trunks.sources.reachability import unreachable

MODEL = "saved_model.pb"
ARCHIVES = (".tar", ".tar.gz", ".tgz")


def module_directory(handle: MaskedUrl) -> Path:
    """The directory of a module. Archives and downloads are unpacked into the cache first.

    handle: a directory, an archive of one, or a URL of an archive.

    Raises:
        TrunkError: it is missing, cannot be downloaded, or is no SavedModel.
    """
    if (directory := _cached(handle)) is None:
        directory = _cache_entry(handle)
        if _is_url(handle):
            _download(handle, directory)
        else:
            with open(handle, "rb") as archive:
                _unpack(archive, handle, directory)
    if problem := _problem(directory, handle):
        raise TrunkError(problem)
    return directory


def is_cached(handle: MaskedUrl) -> bool:
    """Whether no download is needed."""
    return not _is_url(handle) or _cached(handle) is not None


def check_module(handle: MaskedUrl) -> list[str]:
    """Problems that would keep a module from being read, as `Trunk.check` states them."""
    if (directory := _cached(handle)) is not None:
        return [problem] if (problem := _problem(directory, handle)) else []
    if _is_url(handle):
        why = unreachable(handle)
        return [f"{why}, and it is not in the cache {_cache()}."] if why else []
    try:
        if tarfile.is_tarfile(handle):
            return []
    except OSError as e:
        return [f"module {handle!r}: {e.strerror}. Expected a SavedModel directory or archive."]
    return [f"module {handle!r} is neither a directory nor a tar archive."]


def _problem(directory: Path, handle: str) -> str:
    """Why a directory is no SavedModel; empty if it is one."""
    if (directory / MODEL).is_file():
        return ""
    files = sorted(p.name for p in directory.iterdir()) if directory.is_dir() else []
    shown = ", ".join(files[:8]) or "nothing"
    return f"module {handle!r}: expected {MODEL} in {directory}. Received: {shown}."


def _is_url(handle: str) -> bool:
    return "://" in handle


def _cache() -> Path:
    directory = os.environ.get("TFHUB_CACHE_DIR")
    return Path(directory) if directory else Path(tempfile.gettempdir()) / "tfhub_modules"


def _cache_entry(handle: MaskedUrl) -> Path:
    """The directory of a module in the cache, named by its URL or the content of its archive."""
    if _is_url(handle):
        return _cache() / hashlib.sha1(handle.reveal().encode()).hexdigest()
    try:
        with open(handle, "rb") as archive:
            return _cache() / f"archive-{hashlib.file_digest(archive, 'sha256').hexdigest()}"
    except OSError as e:
        raise TrunkError(
            f"module {handle!r}: {e.strerror}. Expected a directory, an archive"
            f" ({', '.join(ARCHIVES)}) or a URL."
        ) from e


def _cached(handle: MaskedUrl) -> Path | None:
    """The directory of a module that needs neither unpacking nor downloading; else None."""
    if not _is_url(handle) and os.path.isdir(handle):
        return Path(handle)
    if not _is_url(handle) and not os.path.isfile(handle):
        return None
    entry = _cache_entry(handle)
    return entry if entry.is_dir() and any(entry.iterdir()) else None


def _download(handle: MaskedUrl, target: Path) -> None:
    url = handle.reveal()
    if not url.endswith(ARCHIVES):
        url += f"{'&' if '?' in url else '?'}tf-hub-format=compressed"
    try:
        with urllib.request.urlopen(url, timeout=60) as response, tempfile.TemporaryFile() as file:
            shutil.copyfileobj(response, file)
            file.seek(0)
            _unpack(file, handle, target)
    except TrunkError:
        raise
    except (OSError, ValueError, http.client.HTTPException) as e:
        why = without_secrets(str(e))
        raise TrunkError(f"module {handle!r} cannot be downloaded: {why}") from e


def _unpack(archive: IO[bytes], handle: str, target: Path) -> None:
    """Unpack beside `target` and rename, so that a failure leaves nothing behind."""
    new = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    new.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=archive) as tar:
            for member in tar:
                _check_member(member, handle)
                tar.extract(member, new, filter="data")
        inner = [p for p in new.iterdir() if p.is_dir()]
        packed = inner[0] if not (new / MODEL).exists() and len(inner) == 1 else new
        if problem := _problem(packed, handle):
            raise TrunkError(problem)
        try:
            packed.rename(target)
        except OSError:
            if not target.is_dir():  # another process was faster
                raise
    except (tarfile.TarError, EOFError, zlib.error, OSError) as e:
        raise TrunkError(f"module {handle!r}: its archive cannot be unpacked: {e}") from e
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _check_member(member: tarfile.TarInfo, handle: str) -> None:
    parts = Path(member.name).parts
    if Path(member.name).is_absolute() or ".." in parts or not (member.isfile() or member.isdir()):
        raise TrunkError(
            f"module {handle!r}: its archive contains {member.name!r}, which is no plain file"
            " inside the archive's folder. The archive was not unpacked."
        )
