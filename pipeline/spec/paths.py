"""Relative paths in specs start at the directory of the spec."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import TypeVar

T = TypeVar("T")


def absolute(path: str, base: str) -> str:
    """A path that may start with `~`, or else starts at the directory `base`."""
    return os.path.normpath(os.path.join(base, os.path.expanduser(path)))


def located(part: T, base: str) -> T:
    """The dataclass with absolute paths in the fields that are marked `metadata={"path": True}`.

    base: where relative paths start. A field that is also marked `"file": True` always holds a
        path. Others may hold a name or a URL: a path begins with `.`, `~` or `/`, or exists there.
    """

    def resolved(value: str, always: bool) -> str:
        path = absolute(value, base)
        is_path = always or value.startswith((".", "~", "/")) or os.path.exists(path)
        return path if is_path and "://" not in value else value

    paths = {
        f.name: resolved(value, "file" in f.metadata)
        for f in fields(part)  # type: ignore[arg-type]
        if f.metadata.get("path") and (value := getattr(part, f.name))
    }
    return replace(part, **paths)  # type: ignore[type-var]
