"""Fingerprints: the identity of a result is the stage's name, code, parameters and input content.

Paths, runners, trackers and machines are not part of it, so the cached result is found after data
has moved or with another Beam runner, but not after an edit of the code that the stage runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from components.artifacts import Artifact
from components.stage import Stage
from pipeline.store.sources import known, sources


@dataclass(frozen=True)
class Identity:
    """Everything that goes into a fingerprint. It is stored with the result, to explain re-runs.

    params: the stage in canonical form, as JSON. inputs: digest by input field.
    sources: digest of each module that the result depends on: see `pipeline.store.sources`.
    """

    stage: str
    params: str
    inputs: Mapping[str, str]
    sources: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """64-bit hash of all fields in hexadecimal."""
        text = json.dumps([self.stage, self.params, dict(self.inputs), dict(self.sources)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differs_from(self, other: Identity) -> list[str]:
        """The differences, one phrase each; empty if there are none."""
        mine, theirs = json.loads(self.params), json.loads(other.params)
        causes = [f"parameter {path}" for path in _changed(mine, theirs)]
        if self.stage != other.stage:
            causes.insert(0, f"stage {self.stage}")
        causes += [f"input {n}" for n in sorted(_differing(self.inputs, other.inputs))]
        causes += [f"code of {n}" for n in sorted(_differing(self.sources, other.sources))]
        return causes


def identify(stage: Stage[Any, Any], inputs: object) -> Identity:
    """The identity of running `stage` on `inputs`.

    Raises:
        TypeError: a parameter has no canonical form, or an input is not an artifact.
    """
    objects = known((stage, stage.uses(inputs)))
    start = {type(stage).__module__, *objects.modules, *stage.depends_on}
    return Identity(
        stage=type(stage).__name__,
        params=json.dumps(canonical(stage), sort_keys=True),
        inputs=dict(_input_digests(inputs)),
        sources=sources(frozenset(start), objects),
    )


def canonical(value: Any) -> Any:
    """A JSON form in which unequal values differ: `1`, `1.0`, `"1"` and `True` are four values.

    The form of a dataclass has its type name, and no field with `metadata={"fingerprint": False}`.

    Raises:
        TypeError: the type has no canonical form, such as a path or a function.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Enum):
        return {"enum": type(value).__qualname__, "value": canonical(value.value)}
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, tuple | list):
        return [canonical(v) for v in value]
    if isinstance(value, Mapping):
        return {"map": sorted([str(k), canonical(v)] for k, v in value.items())}
    if is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in fields(value) if f.metadata.get("fingerprint", True)]
        own = {name: canonical(getattr(value, name)) for name in names}
        return {"type": type(value).__qualname__, "fields": own}
    raise TypeError(
        f"{value!r} of type {type(value).__name__} has no canonical form. Parameters of a"
        " stage consist of str, int, float, bool, None, tuples, mappings and frozen dataclasses."
    )


def _input_digests(inputs: object) -> Iterator[tuple[str, str]]:
    if not is_dataclass(inputs):
        raise TypeError(
            f"Expected a dataclass of artifacts as inputs. Received: {type(inputs).__name__}"
        )
    for f in fields(inputs):
        value = getattr(inputs, f.name)
        for i, item in enumerate(value if isinstance(value, tuple) else (value,)):
            name = f"{f.name}[{i}]" if isinstance(value, tuple) else f.name
            if item is None:
                yield name, ""
            elif isinstance(item, Artifact) and item.digest:
                yield name, f"{type(item).__name__}:{item.digest}"
            else:
                raise TypeError(f"input {name} is not a published artifact: {item!r}")


def _changed(mine: Any, theirs: Any, path: str = "") -> list[str]:
    """Dotted paths of the parts in which two canonical forms differ."""
    if mine == theirs:
        return []
    both = isinstance(mine, dict) and isinstance(theirs, dict)
    if both and "fields" in mine and mine.get("type") == theirs.get("type"):
        a, b, prefix = mine["fields"], theirs["fields"], f"{path}." if path else ""
        parts = [(a.get(k), b.get(k), prefix + k) for k in sorted(a.keys() | b.keys())]
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        parts = [(*pair, f"{path}[{i}]") for i, pair in enumerate(zip(mine, theirs, strict=True))]
    else:
        return [path or "type"]
    return [p for part in parts for p in _changed(*part)]


def _differing(a: Mapping[str, str], b: Mapping[str, str]) -> set[str]:
    return {k for k in a.keys() | b.keys() if a.get(k) != b.get(k)}
