"""Where a store is on this machine: in its directory or, of a store behind a URL, in the cache.

A store has a directory there of the same layout as a local one, with a file that holds its URL.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

from components.data.atomic import write_whole
from components.data.cache import CACHE, cache
from components.data.objects import is_url
from components.errors import RootstockError
from models.masked_url import MaskedUrl

URL = "store.url"
"""The file with the URL of a store, in its directory in the cache."""


def local(store: str) -> Path:
    """The directory on this machine of a store: a path or a URL.

    Raises:
        RootstockError: the cache cannot be written.
    """
    if store.startswith("file://"):
        return Path(store.removeprefix("file://"))
    if not is_url(store):
        return Path(store)
    url = store.rstrip("/")
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", url)[:60]
    root = cache() / "stores" / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    if url_of(root) != url:
        try:
            root.mkdir(parents=True, exist_ok=True)
            write_whole(root / URL, url)
        except OSError as e:
            raise RootstockError(
                f"{root}: cannot be written ({e.strerror}). It would hold copies of what is in"
                f" {url}. Name another directory in the environment variable {CACHE}."
            ) from e
    return root


def url_of(root: Path) -> str:
    """The URL of the store that a directory is the copy of; empty if it is a store itself."""
    with contextlib.suppress(OSError):
        return (root / URL).read_text()
    return ""


def checked(store: str) -> str:
    """The address of a store in a spec.

    Raises:
        RootstockError: it contains a password.
    """
    if is_url(store) and (shown := str(MaskedUrl(store))) != store:
        raise RootstockError(
            f"store: {shown}: expected a URL without passwords. They belong into the provider's own"
            " variables or files, such as AWS_ACCESS_KEY_ID or ~/.aws/credentials."
        )
    return store
