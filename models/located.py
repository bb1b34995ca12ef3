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
    or exists below `base`.
    """

    def absolute(value: str) -> str:
        path = os.path.normpath(os.path.join(base, os.path.expanduser(value)))
        is_path = value.startswith((".", "~", "/")) or os.path.exists(path)
        return path if is_path and "://" not in value else value

    paths = {f.name: getattr(part, f.name) for f in fields(part) if f.metadata.get("path")}  # type: ignore[arg-type]
    return replace(part, **{k: absolute(v) for k, v in paths.items() if v})  # type: ignore[type-var]
