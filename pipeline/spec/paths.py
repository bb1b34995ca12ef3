"""Relative paths in specs start at the directory of the spec."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import TypeVar

T = TypeVar("T")


def located(part: T, base: str) -> T:
    """The dataclass with absolute paths in the fields that are marked `metadata={"path": True}`.

    base: where relative paths start. A field that is also marked `"file": True` always holds a
        path. Others may hold a name or a URL instead: a value is a path if it begins with `.`, `~`
        or `/`, or exists below `base`.
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
