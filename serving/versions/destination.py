"""The push destination behind a path or URL."""

from __future__ import annotations

from pathlib import Path

from serving.versions.base import Destination
from serving.versions.directory import Directory


def destination(place: str, shown: str = "") -> Destination:
    """The destination of a path or URL, such as `/srv/models` or `s3://bucket/models`.

    shown: what to show instead, in messages and records, because the URL holds a password.

    Raises:
        ValueError: fsspec does not know this kind of URL.
        ImportError: the package for this kind of store is not installed.
    """
    if "://" not in place:
        return Directory(Path(place))
    if place.startswith("file://"):
        return Directory(Path(place.removeprefix("file://")))
    from serving.versions.object_store import ObjectStore

    return ObjectStore(place, shown)
