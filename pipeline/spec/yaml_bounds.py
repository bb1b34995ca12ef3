"""Parses YAML that may come from anyone: its size, depth and aliases have limits.

Ten lines of aliases to aliases describe billions of values, and an alias inside of its own anchor
describes a value without end. Both are found before anything is made of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from components.errors import RootstockError

CHARACTERS = 1 << 20
LEVELS = 100
VALUES = 100_000
"""Of the whole file, with every alias written out."""


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        RootstockError: it is missing, too long or not UTF-8.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(CHARACTERS + 1)
    except FileNotFoundError as e:
        raise RootstockError(f"{path}: no such file. Expected a YAML spec.") from e
    except (OSError, UnicodeDecodeError) as e:
        raise RootstockError(f"{path}: cannot be read as UTF-8 text ({e}).") from e
    if len(text) > CHARACTERS:
        raise RootstockError(
            f"{path}: has more than {CHARACTERS:,} characters. Expected a YAML spec."
        )
    return text


def parse(text: str, place: str) -> tuple[yaml.Node | None, Any]:
    """The nodes of a text and its value.

    place: where the text is, for messages.

    Raises:
        RootstockError: it is not YAML, or is larger than the limits.
    """
    try:
        _check_levels(text, place)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        if root is not None:
            _count(root, place, {}, set())
        return root, yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError) as e:  # such as the date 2024-13-01
        raise RootstockError(f"{place}: is not valid YAML: {e}") from e


def _check_levels(text: str, place: str) -> None:
    """Lists and mappings are composed recursively; their events come one after the other."""
    level = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        level += isinstance(event, yaml.CollectionStartEvent)
        level -= isinstance(event, yaml.CollectionEndEvent)
        if level > LEVELS:
            line = f":{event.start_mark.line + 1}" if event.start_mark else ""
            raise RootstockError(
                f"{place}{line}: has lists or mappings inside of each other on more than"
                f" {LEVELS} levels."
            )


def _count(node: yaml.Node, place: str, known: dict[int, int], above: set[int]) -> int:
    """The number of values of a node with its aliases written out.

    known: of nodes that were counted. above: the nodes that this one is inside of. Both by id.
    """
    key, line = id(node), node.start_mark.line + 1
    if key in above:
        raise RootstockError(f"{place}:{line}: contains an alias of itself. Remove the alias.")
    if key not in known:
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        else:
            children = node.value if isinstance(node, yaml.SequenceNode) else []
        above.add(key)
        known[key] = 1 + sum(_count(child, place, known, above) for child in children)
        above.remove(key)
        if known[key] > VALUES:
            raise RootstockError(
                f"{place}:{line}: has more than {VALUES:,} values, with its aliases written out."
            )
    return known[key]
