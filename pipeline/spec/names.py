"""Names: they become names of directories, outputs, signatures and parts of URLs.

So no name has separators, control characters or a leading dot, and none is too long for a file.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import Field
from pydantic.config import JsonDict

LONGEST = 60
"""Characters: a name of 4 bytes each fits into the 255 bytes of a file's name, with a suffix."""

_BEYOND_ASCII = "\u0080-\U0003ffff"


def _text(pattern: str, first: str, others: str) -> Any:
    """A text of that pattern. first, others: its characters for the JSON Schema, which allows all
    beyond ASCII, since not every validator knows Unicode's classes.
    """
    known_by_all = f"^[{first}{_BEYOND_ASCII}][{others}{_BEYOND_ASCII}-]*$"
    extra: JsonDict = {"pattern": known_by_all}
    return Annotated[str, Field(pattern=pattern, max_length=LONGEST, json_schema_extra=extra)]


if TYPE_CHECKING:
    Name: TypeAlias = str
    Title: TypeAlias = str
else:
    Name = _text(r"^\p{L}[\p{L}\p{M}\p{N}_-]*$", "A-Za-z", r"\w")
    """Names in any alphabet: of inputs, tasks and arms."""
    Title = _text(r"^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_. -]*$", r"\w", r"\w. ")
    """Names of experiments, which people read: they may have spaces and dots."""
UrlName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=LONGEST)]
"""Names of models and labels, which are also parts of URLs."""


def names_of(columns: Sequence[str]) -> dict[str, str]:
    """A name for each column: valid in a spec (`Name`), and different from
    all others.

    A column whose name is valid keeps it. Elsewhere, characters that names cannot have become `_`,
    and a number follows where another column has the name already.
    """
    names = {column: column for column in columns if _valid(column) == column}
    for column in columns:
        if column not in names:
            stem, number, taken = _valid(column), 2, set(names.values())
            name = stem
            while name in taken:
                end = f"_{number}"
                name, number = stem[: LONGEST - len(end)] + end, number + 1
            names[column] = name
    return names


def _valid(column: str) -> str:
    """Letters of any alphabet, digits, `_` and `-`, from the first letter on."""
    text = unicodedata.normalize("NFC", column)
    kinds = [unicodedata.category(character)[0] for character in text]
    start = kinds.index("L") if "L" in kinds else len(kinds)
    pairs = zip(text[start:], kinds[start:], strict=True)
    return (
        "".join(c if kind in "LMN" or c in "_-" else "_" for c, kind in pairs)[:LONGEST] or "column"
    )
