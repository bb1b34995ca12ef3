"""Messages."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import (
    ValidationError,
)

from pipeline.spec.sections import Spec
from pipeline.spec.yaml_file import YamlFile


def sentences(error: ValidationError, file: YamlFile) -> list[str]:
    """One sentence for each thing that is wrong with a spec."""
    found = []
    for e in error.errors():
        if e["type"] == "too_short" and any(
            o["loc"][: len(e["loc"])] == e["loc"] != o["loc"] for o in error.errors()
        ):
            continue  # pydantic counts only the valid items of a tuple
        where = _in_file(e["loc"], file.content)
        told = e["msg"].removeprefix("Value error, ")
        if e["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            known = _keys_beside(e["loc"])
            told = f"unknown key{_close(str(where[-1]), known)} Known here: {', '.join(known)}."
        elif e["type"] == "missing":
            told = "is required and is not given"
        elif e["type"] == "union_tag_invalid":
            tags = str(e["ctx"]["expected_tags"]).replace("'", "").split(", ")
            tag = str(e["ctx"]["tag"])
            where = (*where, str(e["ctx"]["discriminator"]).strip("'"))
            told = f"{tag!r} is not known{_close(tag, tags)} Expected one of: {', '.join(tags)}."
        elif e["type"] == "union_tag_not_found":
            told = f"needs the key {e['ctx']['discriminator']}"
        elif e["type"] == "tuple_type":
            told = f"expected a list, such as [{e['input']}] (found {e['input']!r})"
        elif e["type"] != "value_error":
            told += f" (found {e['input']!r})"
        key = ".".join(map(str, where)) or "spec"
        found.append(f"{file.place(where)}: {key}: {told}")
    return list(dict.fromkeys(found))


def _close(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else "."


def _in_file(loc: tuple[str | int, ...], content: Any) -> tuple[str | int, ...]:
    """The key path of an error as the file spells it: without the names of union branches."""
    where: list[str | int] = []
    tagged: set[int] = set()
    for i, part in enumerate(loc):
        if isinstance(content, dict) and part == content.get("kind") and id(content) not in tagged:
            tagged.add(id(content))  # a key may have the name of the branch
            continue
        inside = part in content if isinstance(content, dict) else isinstance(part, int)
        if inside or (i == len(loc) - 1 and isinstance(content, dict)):
            where.append(part)
        if isinstance(content, dict):
            content = content[part] if inside else content
        elif isinstance(content, list) and isinstance(part, int):
            content = content[part]
    return tuple(where)


def _keys_beside(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the schema knows where an unknown one stands."""
    schema = Spec.model_json_schema()
    here: dict[str, Any] = schema
    for part in loc[:-1]:
        if isinstance(part, int):
            here = here.get("items", {})
        elif part in (tags := here.get("discriminator", {}).get("mapping", {})):
            here = {"$ref": tags[part]}
        else:
            anything: dict[str, Any] = next(iter(here.get("patternProperties", {}).values()), {})
            here = here.get("properties", {}).get(part, anything)
        here = next((b for b in here.get("anyOf", ()) if "$ref" in b), here)
        if "$ref" in here:
            here = schema["$defs"][here["$ref"].rpartition("/")[2]]
    return sorted(here.get("properties", {}))
