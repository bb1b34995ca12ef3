"""An extension of mkdocstrings: fields and parameters in docstrings become lists.

Ours name them in running text, `rows: of the test split. seed: random seed.`, which Google's form
takes for headings.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Example):", re.MULTILINE)


class FieldLists(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is None:
            return
        known = {*obj.members, *(p.name for p in getattr(obj, "parameters", ()))}
        prose, *sections = _split(obj.docstring.value)
        paragraphs = [_as_list(p, known) for p in prose.split("\n\n")]
        obj.docstring.value = "\n\n".join(["\n\n".join(paragraphs), *sections])


def _split(text: str) -> list[str]:
    """The text before the first section of Google's form, and the rest."""
    first = SECTION.search(text)
    return [text] if first is None else [text[: first.start()].rstrip(), text[first.start() :]]


def _as_list(paragraph: str, known: set[str]) -> str:
    joined = re.sub(r"\n\s*", " ", paragraph)
    parts = re.split(r"(?:^|(?<=[.;] ))(\w+(?:, \w+)*): ", joined)
    names, texts = parts[1::2], parts[2::2]
    if parts[0] or not {n for name in names for n in name.split(", ")} <= known:
        return paragraph if not re.match(r"\w+: .*\n\s", paragraph) else joined
    items = zip(names, texts, strict=True)
    return "\n".join(f"- `{name}`: {text.strip()}" for name, text in items)
