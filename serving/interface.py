"""`interface.json` of a SavedModel: what a person has to know to ask it.

The signatures of a SavedModel say "string" and "float". A form, and whoever reads the answers, also
needs to know what is a picture, which values a column has, and what the classes are called.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

FILE = Path("assets.extra") / "interface.json"
MOST_CHOICES = 200


@dataclass(frozen=True, kw_only=True)
class Field:
    """An input.

    choices: its most frequent training values, if it is one of a set. others: how many more there
    are. low, high: the smallest and the largest training number. usual: a typical value.
    hint: how it is written, such as "2024-01-31".
    """

    name: str
    asks: Literal["image", "text", "choice", "number"]
    choices: tuple[str, ...] = ()
    others: int = 0
    low: float | None = None
    high: float | None = None
    usual: float | str | None = None
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An output.

    classes: in the order of its probabilities; a single probability is that of the second of two
    classes; empty for numbers. several: whether several classes can apply at once. decision: the
    probability above which the answer counts as yes.
    """

    name: str
    classes: tuple[str, ...] = ()
    several: bool = False
    decision: float = 0.5


@dataclass(frozen=True)
class Interface:
    fields: tuple[Field, ...]
    answers: tuple[Answer, ...]


def write_interface(interface: Interface, saved_model: Path) -> None:
    file = saved_model / FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(asdict(interface), indent=1, allow_nan=False), encoding="utf-8")


def read_interface(saved_model: Path) -> Interface | None:
    """What `write_interface` wrote; None for a model that another program made.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        content: dict[str, list[dict[str, Any]]] = json.loads((saved_model / FILE).read_bytes())
    except FileNotFoundError:
        return None
    try:
        return Interface(
            tuple(Field(**{**f, "choices": _texts(f["choices"])}) for f in content["fields"]),
            tuple(Answer(**{**a, "classes": _texts(a["classes"])}) for a in content["answers"]),
        )
    except (KeyError, TypeError) as e:
        raise ValueError(f"{saved_model / FILE} is not what Rootstock writes: {e!r}") from e


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, values))
