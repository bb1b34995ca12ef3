"""Paths in specs, which start at the spec's own directory."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import TypeVar

T = TypeVar("T")


def located(part: T, base: str) -> T:
    """A dataclass whose relative paths, in fields marked `metadata={"path": True}`, start at
    `base`.

    Such a field may also hold a name or a URL: a relative path is what begins with a dot or `~`,
    or exists below `base`. One that is marked `"file": True` as well holds nothing but paths.
    """

    def absolute(value: str, always: bool) -> str:
        path = os.path.normpath(os.path.join(base, os.path.expanduser(value)))
        is_path = always or value.startswith((".", "~", "/")) or os.path.exists(path)
        return path if is_path and "://" not in value else value

    paths = {
        f.name: absolute(value, "file" in f.metadata)
        for f in fields(part)  # type: ignore[arg-type]
        if f.metadata.get("path") and (value := getattr(part, f.name))
    }
    return replace(part, **paths)  # type: ignore[type-var]
