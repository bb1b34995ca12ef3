"""Objects behind a URL such as `s3://bucket/folder`, through fsspec.

A request that fails because a store is busy or cannot be reached is repeated. What cannot be helped
by waiting is an error at once, which says what to do.
"""

from __future__ import annotations

import contextlib
import errno
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from components.errors import DISK_FULL, RootstockError
from models.masked_url import MaskedUrl, without_secrets

T = TypeVar("T")
WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries of a request, from half to one and a half times as long. Most clients
have repeated it themselves by then, more quickly.
"""
TRANSFERS = 8
"""Files that are sent or received at the same time."""
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"} | dict.fromkeys(
    ("az", "abfs", "abfss", "adl"), "azure"
)
"""The extra of `pyproject.toml` that a kind of URL needs."""
NO_CREDENTIALS = {
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
    *("TokenRetrievalError", "UnauthorizedSSOTokenError", "DefaultCredentialsError"),
    *("RefreshError", "ClientAuthenticationError"),
}
"""Names of the exceptions of providers' clients, which are not imported here."""
REFUSED = (errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.EREMCHG, errno.ENAMETOOLONG)
"""What s3fs makes of answers such as a wrong region or a malformed request."""
FINAL: tuple[type[Exception], ...] = (ImportError, ValueError, TypeError, NotImplementedError)
FINAL += (IsADirectoryError, NotADirectoryError)
DENIED = ("Forbidden", "Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch")


def is_url(place: str) -> bool:
    """Whether a place is reached through fsspec, and not a path of this machine."""
    return "://" in place


def urls_matching(pattern: str) -> list[str]:
    """The URLs of the objects and folders that match a glob pattern, as `glob.glob` of paths."""
    scheme, _, rest = pattern.partition("://")
    bucket, _, names = rest.partition("/")
    place = f"{scheme}://{bucket}"
    return [f"{place}/{name}" for name in Objects(MaskedUrl(place)).listed(names, folders=True)]


@dataclass(frozen=True)
class Objects:
    """The objects below a URL, by names that are relative to it."""

    url: MaskedUrl

    def read(self, name: str) -> bytes | None:
        """The content of an object; None if there is none. One request."""
        with TemporaryDirectory() as directory:  # s3fs's cat_file asks for the size first
            try:
                self.download({name: Path(directory, "object")})
            except FileNotFoundError:
                return None
            return Path(directory, "object").read_bytes()

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """The bytes [start, stop) of an object. One request.

        Raises:
            FileNotFoundError: it does not exist.
        """
        fs, path = self._place(name)
        what = f"reading {name}"
        return bytes(self._request(what, lambda: fs.cat_file(path, start=start, end=stop)))

    def write(self, name: str, content: bytes) -> None:
        """Write or replace an object, in one step."""
        fs, path = self._place(name)
        self._make_parent(fs, path)
        self._request(f"writing {name}", lambda: fs.pipe_file(path, content))

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one. Returns whether it was written.

        After a repeated request, the object that is there may be that of the first try.
        """
        fs, path = self._place(name)
        self._make_parent(fs, path)
        try:
            self._request(f"writing {name}", lambda: fs.pipe_file(path, content, mode="create"))
        except FileExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove an object, if there is one."""
        fs, path = self._place(name)
        with contextlib.suppress(FileNotFoundError):
            self._request(f"removing {name}", lambda: fs.rm_file(path))

    def remove_all(self, names: Sequence[str]) -> None:
        """Remove objects, with as few requests as the store allows."""
        if names:
            fs, root = self._place("")
            paths = [f"{root}/{name}" for name in names]
            with contextlib.suppress(FileNotFoundError):
                self._request("removing", lambda: fs.rm(paths))

    def upload(self, files: Mapping[str, Path]) -> None:
        """Write objects with the content of files, several at a time."""

        def send(name: str, file: Path) -> None:
            fs, path = self._place(name)
            self._make_parent(fs, path)
            self._request(f"writing {name}", lambda: fs.put_file(str(file), path))

        in_parallel(send, list(files.items()))

    def download(self, files: Mapping[str, Path]) -> None:
        """Write files with the content of objects, several at a time.

        Raises:
            FileNotFoundError: an object does not exist.
        """

        def receive(name: str, file: Path) -> None:
            fs, path = self._place(name)
            file.parent.mkdir(parents=True, exist_ok=True)
            self._request(f"reading {name}", lambda: fs.get_file(path, str(file)))

        in_parallel(receive, list(files.items()))

    def listed(self, pattern: str = "", folders: bool = False) -> dict[str, dict[str, Any]]:
        """What the store says of each object that matches a glob pattern, or of each below the URL,
        by name. folders: also of those that match.
        """
        fs, root = self._place("")

        def request() -> dict[str, dict[str, Any]]:
            found = fs.glob(f"{root}/{pattern}", detail=True) if pattern else None
            found = fs.find(root, detail=True) if found is None else found
            kept = folders or "directory"
            return {path: info for path, info in found.items() if info.get("type") != kept}

        found = self._request("listing", request)
        return {path.removeprefix(root).lstrip("/"): info for path, info in found.items()}

    def _place(self, name: str) -> tuple[Any, str]:
        """The file system, and the path of an object in it."""
        import fsspec

        url = self.url.reveal()
        scheme = url.partition("://")[0].rpartition("::")[2]
        try:
            fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except ImportError as e:
            extra = EXTRAS.get(scheme)
            what = f"the extra `{extra}`: pip install 'rootstock[{extra}]'" if extra else str(e)
            raise RootstockError(
                f"{self.url}: {scheme}:// needs {what}. See docs/how-to/cloud.md."
            ) from e
        except ValueError as e:
            if scheme in EXTRAS:
                raise self._error("opening", e) from e
            raise RootstockError(
                f"{self.url}: unknown kind of URL, {scheme}://. Expected a path, s3://, gs:// or"
                " az://, or another one that fsspec knows."
            ) from e
        except Exception as e:
            raise self._error("opening", e) from e
        return fs, f"{root.rstrip('/')}/{name}" if name else str(root).rstrip("/")

    def _make_parent(self, fs: Any, path: str) -> None:
        """Make the directory of an object, unless it is in an object store: those of fsspec are
        asynchronous, have no directories, and would try to make the bucket.
        """
        if not fs.async_impl:
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _request(self, doing: str, call: Callable[[], T]) -> T:
        """Raises FileNotFoundError, FileExistsError, errors of this machine's disk, and else
        RootstockError.
        """
        for wait in (*WAITS_S, None):
            try:
                return call()
            except (FileNotFoundError, FileExistsError):
                raise
            except Exception as e:
                if isinstance(e, OSError) and e.errno in DISK_FULL:
                    raise
                if wait is None or _is_final(e):
                    raise self._error(doing, e) from e
                time.sleep(wait * (0.5 + random.random()))
        raise AssertionError("unreachable")

    def _error(self, doing: str, error: Exception) -> RootstockError:
        cause = without_secrets(f"{error}".strip().rstrip(".") or type(error).__name__)
        if type(error).__name__ in NO_CREDENTIALS:
            text = (
                f"no valid credentials ({cause}). Expected those of the provider's own variables or"
                " files, such as AWS_ACCESS_KEY_ID, ~/.aws/credentials or"
                " GOOGLE_APPLICATION_CREDENTIALS; see docs/how-to/cloud.md."
            )
        elif _is_denied(error):
            text = (
                f"{doing} was denied ({cause}). Check the credentials, what they may read and write"
                " there, the region, and the clock of this machine."
            )
        elif _is_final(error):
            text = f"{doing} failed ({type(error).__name__}: {cause}). See docs/how-to/cloud.md."
        else:
            text = (
                f"{doing} failed, also when it was repeated for a while ({type(error).__name__}:"
                f" {cause}). Run the same command again when the store can be reached: finished"
                " stages are kept."
            )
        return RootstockError(f"{self.url}: {text}")


def in_parallel(work: Callable[..., None], items: Sequence[tuple[Any, ...]]) -> None:
    """Call `work(*item)` for all items, several at a time. Raises the first error."""
    if len(items) < 2:
        for item in items:
            work(*item)
        return
    with ThreadPoolExecutor(min(TRANSFERS, len(items))) as pool:
        futures = [pool.submit(work, *item) for item in items]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _is_denied(error: Exception) -> bool:
    return isinstance(error, PermissionError) or any(word in str(error) for word in DENIED)


def _is_final(error: Exception) -> bool:
    """Whether the same request would fail again."""
    named = type(error).__name__ in NO_CREDENTIALS
    refused = isinstance(error, OSError) and error.errno in REFUSED
    return named or refused or _is_denied(error) or isinstance(error, FINAL)
