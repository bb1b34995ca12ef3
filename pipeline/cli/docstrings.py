"""Descriptions of keys of a spec in the docstrings of their classes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any


def key_descriptions(docstring: str, keys: Iterable[str]) -> dict[str, str]:
    """The descriptions of keys in a docstring.

    A description starts a sentence with `key: ` or `key, other: ` and ends at the next one or at a
    blank line.
    """
    names = "|".join(map(re.escape, keys))
    if not names:
        return {}
    begins = re.compile(rf"(?:^|(?<=\.)\s+)((?:{names})(?:, (?:{names}))*): ", re.MULTILINE)
    descriptions: dict[str, str] = {}
    for paragraph in docstring.split("\n\n"):
        marks = list(begins.finditer(paragraph))
        ends = [*(m.start() for m in marks[1:]), len(paragraph)]
        for mark, end in zip(marks, ends, strict=False):
            text = " ".join(paragraph[mark.end() : end].split())
            descriptions |= dict.fromkeys(mark.group(1).split(", "), text)
    return descriptions


def inherited_descriptions(cls: type[Any], keys: Iterable[str]) -> dict[str, str]:
    """The descriptions of keys in the docstring of a class, or else of its nearest base."""
    names = list(keys)
    descriptions: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        descriptions |= key_descriptions(inspect.cleandoc(base.__doc__ or ""), names)
    return descriptions
