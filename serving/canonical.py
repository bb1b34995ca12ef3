"""Makes equal models equal files.

TensorFlow numbers functions and tables with counters of the process, and adds a random number to
`fingerprint.pb`. So two exports of one model would differ, and nothing that was computed from the
first could be reused with the second.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

FINGERPRINT = "fingerprint.pb"

_COUNTED = re.compile(r"(.*)_(\d+)", re.DOTALL)
_VOLATILE = re.compile(
    r"(key_value_init|text_file_init)\d+"
    r"|(hash_table)_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(CustomGradient)-\d+"
)
"""Parts of names that come from counters or chance. A group is the part that stays."""
_NUMBER = re.compile(r"(?:table_)?\d+")
"""What names of tables, and of captured tensors, are if they come from a counter."""
_MAY_BE_NUMBERS = ("shared_name", "_user_specified_name")


def make_canonical(saved_model: Any) -> None:
    """Number functions and tables of a `SavedModel` message from 1, and sort its functions.

    Functions of one name keep their order, which is that in which they were traced.
    """
    for graph in saved_model.meta_graphs:
        library = graph.graph_def.library
        names = _Names([f.signature.name for f in library.function])
        functions = sorted(library.function, key=lambda f: _in_order(f.signature.name))
        copies = [type(f).FromString(f.SerializeToString()) for f in functions]
        del library.function[:]
        library.function.extend(copies)
        _rename(graph, names)


def write_fingerprint(path: Path) -> None:
    """Replace `fingerprint.pb` by one that follows from the other files of the SavedModel."""
    from tensorflow.core.protobuf import fingerprint_pb2
    from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

    created = fingerprinting.CreateFingerprintDef(str(path))
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(created)
    fingerprint.ClearField("uuid")
    fingerprint.saved_object_graph_hash = 0  # TensorFlow's depends on the order of maps in memory
    content = hashlib.sha256(fingerprint.SerializeToString(deterministic=True)).digest()
    fingerprint.saved_object_graph_hash = int.from_bytes(content[:8], "little")
    fingerprint.uuid = str(int.from_bytes(content[8:24], "little"))
    (path / FINGERPRINT).write_bytes(fingerprint.SerializeToString(deterministic=True))


class _Names:
    """New names, in the order in which the old ones are met."""

    def __init__(self, functions: list[str]) -> None:
        counts: Counter[str] = Counter()
        self._functions: dict[str, str] = {}
        for name in sorted(functions, key=_in_order):
            base = _in_order(name)[0]
            counts[base] += 1
            self._functions[name] = f"{base}_{counts[base]}"
        self._others: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def new(self, text: str) -> str:
        if (function := self._functions.get(text)) is not None:
            return function
        return _VOLATILE.sub(lambda m: self._numbered(m[0], m[m.lastindex or 0]), text)

    def of_resource(self, text: str) -> str:
        return self._numbered(text, "resource") if _NUMBER.fullmatch(text) else self.new(text)

    def _numbered(self, old: str, base: str) -> str:
        if old not in self._others:
            self._counts[base] += 1
            self._others[old] = f"{base}_{self._counts[base]}"
        return self._others[old]


def _in_order(function: str) -> tuple[str, int]:
    """The name of a function without its number, and the number."""
    match = _COUNTED.fullmatch(function)
    return (match[1], int(match[2])) if match else (function, 0)


def _rename(message: Any, names: _Names) -> None:
    """Replace names in all texts of a message, in the order of its fields."""
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            _rename_map(value, kind.fields_by_name["value"], names)
        elif kind is not None:
            for part in value if field.is_repeated else [value]:
                _rename(part, names)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            value[:] = [names.new(text) for text in value]
        elif field.type == field.TYPE_STRING and (new := names.new(value)) != value:
            setattr(message, field.name, new)


def _rename_map(entries: Any, value_field: Any, names: _Names) -> None:
    """In a map, keys may be names, and so may values; attributes hold names of tables as bytes."""
    for key in sorted(entries):
        if value_field.message_type is not None:
            _rename(entries[key], names)
            if value_field.message_type.name == "AttrValue" and entries[key].HasField("s"):
                text = entries[key].s.decode("utf-8", "surrogateescape")
                new = names.of_resource(text) if key in _MAY_BE_NUMBERS else names.new(text)
                entries[key].s = new.encode("utf-8", "surrogateescape")
        elif value_field.type == value_field.TYPE_STRING:
            entries[key] = names.new(entries[key])
        if isinstance(key, str) and (renamed := names.new(key)) != key:
            if value_field.message_type is not None:
                entries[renamed].CopyFrom(entries[key])
            else:
                entries[renamed] = entries[key]
            del entries[key]
