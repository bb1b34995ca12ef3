"""The experts of a model, as `experts.json` beside their numbers says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from models.experts.base import Expert

FILE = "experts.json"


def save_experts(experts: Sequence[Expert], directory: Path) -> None:
    (directory / FILE).write_bytes(_adapter().dump_json(tuple(experts), indent=1))


def read_experts(directory: Path) -> tuple[Expert, ...]:
    """The experts in a directory, without importing TensorFlow.

    Raises:
        OSError, ValueError: there is no such file, or it cannot be read.
    """
    return _adapter().validate_json((directory / FILE).read_bytes())


@cache
def _adapter() -> TypeAdapter[tuple[Expert, ...]]:
    return TypeAdapter(tuple[Expert, ...])
