"""Reads YAML with environment variables and overrides, and remembers the line of every key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.errors import RootstockError
from models.masked_url import MaskedUrl, without_secrets
from pipeline.spec.yaml_bounds import parse, read_text

VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
Where = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlFile:
    """The content of a YAML file.

    lines: line number by key path, from 1. overrides: the text of `--set` by key path.
    unexpanded: the content with `${NAME}` where the values of variables are in `content`.
    """

    path: Path
    text: str
    content: Mapping[str, Any]
    lines: Mapping[Where, int]
    overrides: Mapping[Where, str]
    unexpanded: Mapping[str, Any]

    @property
    def may_replace(self) -> bool:
        """Whether a run may replace the model that is served: not with values that are given beside
        the file, unless one of them is about `push`. How a run is recorded changes no model.
        """
        sections = {where[0] for where in self.overrides}
        return "push" in sections or sections <= {"tracking"}

    def place(self, where: Where) -> str:
        """Where a key or its nearest parent was set: `--set …`, or else `file:line`."""
        parents = [where[:end] for end in range(len(where), 0, -1)]
        overrides = [self.overrides[p] for p in parents if p in self.overrides]
        places = [f"--set {without_secrets(text)}" for text in overrides]
        places += [f"{self.path}:{self.lines[p]}" for p in parents if p in self.lines]
        return next(iter(places), str(self.path))


def read_yaml(path: Path, overrides: Sequence[str], variables: Mapping[str, str]) -> YamlFile:
    """Read a spec file; `${NAME}` and `${NAME:-default}` stand for variables.

    overrides: `a.b=value` each, the value in YAML, applied after the file.

    Raises:
        RootstockError: the file is missing, too large, not YAML or not a mapping; it has a key
            twice or an unset variable; an override does not fit.
    """
    text = read_text(path)
    root, content = parse(text, str(path))
    if not isinstance(content, dict):
        raise RootstockError(f"{path}: expected a mapping with keys such as `name:` and `data:`.")
    lines: dict[Where, int] = {}
    _index(root, (), lines, path)
    applied = {_apply(content, override): override for override in overrides}
    expanded = _expand(content, (), path, variables, lines)
    return YamlFile(path, text, expanded, lines, applied, content)


def _index(node: yaml.Node | None, where: Where, lines: dict[Where, int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*where, key.value)
            if here in lines:
                raise RootstockError(
                    f"{path}:{key.start_mark.line + 1}: key {key.value!r} occurs twice; the first"
                    f" is in line {lines[here]}. Keep one."
                )
            lines[here] = key.start_mark.line + 1
            _index(value, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            lines[(*where, i)] = value.start_mark.line + 1
            _index(value, (*where, i), lines, path)


def _apply(content: Any, override: str) -> Where:
    """Set a key, and return its path."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RootstockError(f"--set {override}: expected key.path=value, as in training.epochs=3.")
    value = parse(text, f"--set {override}")[1]
    *parents, last = key.split(".")
    here = content
    where: list[str | int] = []
    for i, part in enumerate(parents):
        try:
            at: Any = int(part) if isinstance(here, list) else part
            where.append(at)
            if isinstance(here, dict) and isinstance(here.get(at), str):
                here[at] = {"name": here[at]}  # a method's short form: `balancing: equal`
            here = here[at] if isinstance(here, list) else here.setdefault(at, {})
        except (ValueError, IndexError, AttributeError) as e:
            above = ".".join(parents[:i]) or "the top"
            raise RootstockError(f"--set {override}: nothing called {part!r} below {above}.") from e
    try:
        at = int(last) if isinstance(here, list) else last
        here[at] = value
    except (ValueError, IndexError, TypeError) as e:
        raise RootstockError(f"--set {override}: {'.'.join(parents)} has no item {last!r}.") from e
    return (*where, at)


def _expand(
    value: Any, where: Where, path: Path, variables: Mapping[str, str], lines: Mapping[Where, int]
) -> Any:
    if isinstance(value, dict):
        return {k: _expand(v, (*where, k), path, variables, lines) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, (*where, i), path, variables, lines) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def known(match: re.Match[str]) -> str:
        name, default = match.groups()
        replacement: str | None = variables.get(name, os.environ.get(name, default))
        if replacement is None:
            key = ".".join(map(str, where))
            hint = "Give --data DIR, or set it" if name == "DATA" else "Set it"
            raise RootstockError(
                f"{path}:{lines.get(where, 1)}: {key} uses ${{{name}}}, which is not set. {hint} in"
                " the environment."
            )
        return replacement

    expanded = VARIABLE.sub(known, value)
    if "://" in expanded:
        MaskedUrl(expanded)  # from now on its secrets are masked in every message
    return expanded
