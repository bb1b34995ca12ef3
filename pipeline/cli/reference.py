"""The reference of all keys of a spec, as JSON Schema and as a page.

Descriptions come from the docstrings of the classes that a spec is parsed into.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from components.ingestion.readers.base import Reader
from models.inputs.base import Input
from models.tasks.base import Task
from pipeline.cli.docstrings import inherited_descriptions, key_descriptions
from pipeline.cli.methods import FAMILIES, all_methods
from pipeline.spec.sections import Spec

Schema = dict[str, Any]
_METHODS = {
    key: m.name
    for m in all_methods()
    for key in (m.cls.__name__, f"{m.cls.__module__.replace('.', '__')}__{m.cls.__name__}")
}
"""Names of methods by the names of their definitions, with the module if two classes share one."""


def json_schema() -> Schema:
    """The JSON Schema of specs, with the descriptions of keys from their classes."""
    schema = Spec.model_json_schema()
    parts = schema["$defs"]
    for part in (schema, *parts.values()):
        properties = part.get("properties", {})
        _describe(properties, key_descriptions(part.get("description", ""), properties))
    bases: tuple[type[Any], ...] = (Reader, Input, Task, *(base for _, base in FAMILIES.values()))
    for cls in (c for base in bases for c in _subclasses(base)):
        if cls.__name__ in parts:
            properties = parts[cls.__name__].get("properties", {})
            _describe(properties, inherited_descriptions(cls, properties))
    return schema


def _describe(properties: Schema, descriptions: Mapping[str, str]) -> None:
    for key, text in descriptions.items():
        properties[key]["description"] = text


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def page() -> str:
    """The page docs/spec.md."""
    schema = json_schema()
    parts = [
        "# Every key of a spec",
        "The methods of `model` are in [methods.md](methods.md). `rootstock schema` prints the same"
        " as JSON Schema, for editors; `rootstock schema --markdown > docs/spec.md` writes this"
        " page.",
        *_section("The spec", schema),
    ]
    for name, part in sorted(schema["$defs"].items()):
        if name not in _METHODS and part.get("properties"):
            parts += _section(name.rpartition("__")[2], part)
    return "\n\n".join(parts) + "\n"


def _section(title: str, part: Schema) -> Iterator[str]:
    yield f"## {title}"
    summary = part.get("description", "").split("\n\n")[0]
    yield " ".join(summary.split())
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for key, value in part["properties"].items():
        default = "required" if key in part.get("required", ()) else _default(value)
        cells = (f"`{key}`", _kind(value), default, value.get("description", ""))
        rows.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    yield "\n".join(rows)


def _default(value: Schema) -> str:
    """The default as code; empty for a section, whose keys have their own defaults."""
    if "default" not in value or isinstance(value["default"], dict):
        return ""
    return f"`{json.dumps(value['default'], ensure_ascii=False)}`"


def _kind(value: Schema) -> str:
    """The type of a key, in a few words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2].rpartition("__")[2]
        if (method := _METHODS.get(value["$ref"].rpartition("/")[2])) is not None:
            return f"[{method}](methods.md#{method})"
        return "anything" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{v}`" for v in value["enum"])
    for several in ("anyOf", "oneOf"):
        if several in value:
            return " or ".join(dict.fromkeys(_kind(v) for v in value[several]))
    if value.get("type") == "array":
        items = value.get("items") or {}
        return f"list of {_kind(items)}" if items else "list"
    if value.get("type") == "object":
        patterns = next(iter(value.get("patternProperties", {}).values()), None)
        inner = patterns or value.get("additionalProperties")
        return f"mapping to {_kind(inner)}" if isinstance(inner, dict) else "mapping"
    return str(value.get("type", "anything"))
