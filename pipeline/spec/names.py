"""Names: they become names of directories, outputs, signatures and parts of URLs.

So no name has separators, control characters or a leading dot, and none is too long for a file.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

LONGEST = 60
"""Characters: a name of 4 bytes each fits into the 255 bytes of a file's name, with a suffix."""

Name = Annotated[str, Field(pattern=r"^\p{L}[\p{L}\p{M}\p{N}_-]*$", max_length=LONGEST)]
"""Names in any alphabet: of inputs, tasks and arms."""
UrlName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=LONGEST)]
"""Names of models and labels, which are also parts of URLs."""
Title = Annotated[str, Field(pattern=r"^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_. -]*$", max_length=LONGEST)]
"""Names of experiments, which people read: they may have spaces and dots."""


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
