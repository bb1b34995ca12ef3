"""Pydantic's errors about a spec, as sentences with file, line and key."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.errors import did_you_mean
from models.masked_url import without_secrets
from pipeline.spec.names import LONGEST
from pipeline.spec.sections import Spec
from pipeline.spec.yaml_file import YamlFile


def sentences(error: ValidationError, file: YamlFile) -> list[str]:
    """One sentence for each problem of a spec."""
    errors = error.errors()
    result = []
    for e in errors:
        if e["type"] == "too_short" and any(
            other["loc"][: len(e["loc"])] == e["loc"] != other["loc"] for other in errors
        ):
            continue  # pydantic counts only the valid items of a tuple
        where = _in_file(e["loc"], file.content)
        if e["type"] == "union_tag_invalid":
            where = (*where, str(e["ctx"]["discriminator"]).strip("'"))
        key = ".".join(map(str, where)) or "spec"
        result.append(without_secrets(f"{file.place(where)}: {key}: {_problem(e)}"))
    return list(dict.fromkeys(result))


def _problem(error: ErrorDetails) -> str:
    message, value = error["msg"].removeprefix("Value error, "), error["input"]
    match error["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            keys = _keys_beside(error["loc"])
            hint = did_you_mean(str(error["loc"][-1]), keys)
            return f"unknown key.{hint} Known here: {', '.join(keys)}."
        case "missing":
            return "is required and is not given"
        case "union_tag_invalid":
            tag, tags = str(error["ctx"]["tag"]), str(error["ctx"]["expected_tags"])
            known = tags.replace("'", "").split(", ")
            hint = did_you_mean(tag, known)
            return f"{tag!r} is not known.{hint} Expected one of: {', '.join(known)}."
        case "union_tag_not_found":
            return f"needs the key {error['ctx']['discriminator']}"
        case "tuple_type":
            return f"expected a list, such as [{value}] (found {value!r})"
        case "string_pattern_mismatch" | "string_too_long":
            more = "spaces, dots, " if "." in str(error["ctx"].get("pattern", "")) else ""
            return (
                f"expected a name: a letter, then letters, digits, {more}'_' and '-', at most"
                f" {LONGEST} characters; models and labels have the letters A to Z only"
                f" (found {value!r})"
            )
        case "value_error":
            return message
    return f"{message} (found {value!r})"


def _in_file(loc: tuple[str | int, ...], content: Any) -> tuple[str | int, ...]:
    """The key path of an error as the file spells it: without the names of union branches."""
    where: list[str | int] = []
    tagged: set[int] = set()
    for i, part in enumerate(loc):
        if isinstance(content, dict):
            if part == content.get("kind") and id(content) not in tagged:
                tagged.add(id(content))  # a key may have the name of the branch
                continue
            if part in content or i == len(loc) - 1:
                where.append(part)
            content = content.get(part, content)
        elif isinstance(part, int):
            where.append(part)
            content = content[part] if isinstance(content, list) else content
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
        branches = here.get("anyOf", ())
        here = next((b for b in branches if "$ref" in b or "discriminator" in b), here)
        if "$ref" in here:
            here = schema["$defs"][here["$ref"].rpartition("/")[2]]
    return sorted(here.get("properties", {}))
