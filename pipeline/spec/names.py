"""Names of inputs and tasks, made from the names of columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def names_of(columns: Sequence[str]) -> dict[str, str]:
    """A name for each column: valid in a spec (`pipeline.spec.sections.Name`), and different from
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
                name, number = f"{stem}_{number}", number + 1
            names[column] = name
    return names


def _valid(column: str) -> str:
    """Letters of any alphabet, digits, `_` and `-`, from the first letter on."""
    text = unicodedata.normalize("NFC", column)
    kinds = [unicodedata.category(character)[0] for character in text]
    start = kinds.index("L") if "L" in kinds else len(kinds)
    pairs = zip(text[start:], kinds[start:], strict=True)
    return "".join(c if kind in "LMN" or c in "_-" else "_" for c, kind in pairs) or "column"
