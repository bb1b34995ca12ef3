"""The reference of all keys of a spec, as JSON Schema and as a page.

Descriptions come from the docstrings of the classes that a spec is parsed into.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from components.ingestion.readers import Reader, readers
from models.discovery import methods
from models.inputs.base import Input
from models.tasks.base import Task
from pipeline.cli.docstrings import inherited_descriptions, key_descriptions
from pipeline.cli.methods import FAMILIES, all_methods
from pipeline.spec.sections import Spec
from pipeline.spec.yaml_file import VARIABLE

Schema = dict[str, Any]
_METHODS = {
    key: m.name
    for m in all_methods()
    for key in (m.cls.__name__, f"{m.cls.__module__.replace('.', '__')}__{m.cls.__name__}")
}
"""Names of methods by the names of their definitions, with the module if two classes share one."""
_NAMES = {*_METHODS.values(), *methods("models.inputs", Input, "kind")}
_READERS = [cls.__name__ for cls in readers().values()]
_SOURCE = "Source"


class _OfFiles(GenerateJsonSchema):
    """In a file, a variable such as `${EPOCHS}` may stand for a number or a word."""

    def int_schema(self, schema: core_schema.IntSchema) -> Schema:
        return _or_variable(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> Schema:
        return _or_variable(super().float_schema(schema))

    def bool_schema(self, schema: core_schema.BoolSchema) -> Schema:
        return _or_variable(super().bool_schema(schema))

    def literal_schema(self, schema: core_schema.LiteralSchema) -> Schema:
        """A single word is a method's or a kind's own name, by which editors find its keys."""
        words = super().literal_schema(schema)
        return words if "const" in words else _or_variable(words)

    def dict_schema(self, schema: core_schema.DictSchema) -> Schema:
        """A key that is no name is an error."""
        mapping = super().dict_schema(schema)
        return mapping | ({"additionalProperties": False} if "patternProperties" in mapping else {})


def _or_variable(value: Schema) -> Schema:
    return {"anyOf": [value, {"type": "string", "pattern": VARIABLE.pattern}]}


def json_schema() -> Schema:
    """The JSON Schema of spec files, with the descriptions of keys from their classes.

    It accepts what the loader accepts, except for numbers and yes or no in quotes.
    """
    return _described(Spec.model_json_schema(schema_generator=_OfFiles))


def _described(schema: Schema) -> Schema:
    """Add the descriptions of keys."""
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
    schema = _described(Spec.model_json_schema())
    parts = [
        "# Every key of a spec",
        "In the order in which a spec has them. The methods of `model` are in"
        " [methods.md](methods.md). A method without required parameters can be given by its name:"
        " `sharing: hard`. `rootstock schema` prints the same as JSON Schema, for editors, which"
        " `rootstock init` sets up; `rootstock schema --markdown > docs/spec.md` writes this page.",
        *_section("The spec", schema),
    ]
    for name in _in_order(schema["properties"], schema["$defs"], {}):
        part = schema["$defs"][name]
        if name == _READERS[0]:
            parts += _sources([schema["$defs"][reader] for reader in _READERS])
        elif name not in (*_METHODS, *_READERS) and part.get("properties"):
            parts += _section(name.rpartition("__")[2], part)
    return "\n\n".join(parts) + "\n"


def _in_order(part: Any, parts: Schema, seen: dict[str, None]) -> dict[str, None]:
    """The names of the parts that a part leads to, each after the one that leads to it first."""
    inner = part if isinstance(part, list) else part.values() if isinstance(part, dict) else ()
    if isinstance(part, dict) and isinstance(part.get("$ref"), str):
        if (name := part["$ref"].rpartition("/")[2]) not in seen:
            seen[name] = None
            _in_order(parts[name], parts, seen)
        return seen
    for value in inner:
        _in_order(value, parts, seen)
    return seen


def _section(title: str, part: Schema) -> Iterator[str]:
    yield f"## {title}"
    yield _summary(part)
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    yield "\n".join(rows + [_row(cells) for cells in _keys(part)])


def _sources(formats: Sequence[Schema]) -> Iterator[str]:
    """One table for the keys of all formats."""
    names = [part["properties"]["format"]["const"] for part in formats]
    yield f"## {_SOURCE}"
    yield "Where examples come from. `format` says how they are read: see [readers.md](readers.md)."
    yield "\n".join(f"- `{n}`: {_summary(p)}" for n, p in zip(names, formats, strict=True))
    having: dict[tuple[str, ...], list[str]] = {}
    for name, part in zip(names, formats, strict=True):
        for cells in _keys(part):
            if cells[0] != "`format`":
                having.setdefault(cells, []).append(f"`{name}`")
    rows = ["| key | formats | value | default | meaning |", "|---|---|---|---|---|"]
    for (key, *others), have in sorted(having.items(), key=lambda item: -len(item[1])):
        rows.append(_row((key, "all" if len(have) == len(names) else ", ".join(have), *others)))
    yield "\n".join(rows)


def _summary(part: Schema) -> str:
    return " ".join(part.get("description", "").split("\n\n")[0].split())


def _keys(part: Schema) -> Iterator[tuple[str, ...]]:
    """Key, value, default and description of each key."""
    for key, value in part["properties"].items():
        default = "required" if key in part.get("required", ()) else _default(value)
        yield f"`{key}`", _kind(value), default, value.get("description", "")


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


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
        if name in _READERS:
            return f"[{_SOURCE}](#{_SOURCE.lower()})"
        return "anything" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{v}`" for v in value["enum"])
    for several in ("anyOf", "oneOf"):
        if several in value:
            short = [v for v in value[several] if not set(v.get("enum", ())) & _NAMES]
            return " or ".join(dict.fromkeys(_kind(v) for v in short))
    if value.get("type") == "array":
        items = value.get("items") or {}
        return f"list of {_kind(items)}" if items else "list"
    if value.get("type") == "object":
        patterns = next(iter(value.get("patternProperties", {}).values()), None)
        inner = patterns or value.get("additionalProperties")
        return f"mapping to {_kind(inner)}" if isinstance(inner, dict) else "mapping"
    return str(value.get("type", "anything"))
