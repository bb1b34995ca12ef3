"""What a trained model reads and predicts: the part of its record that needs no method's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from models.inputs.base import Feature
from models.model_files import RECORD
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class Description:
    """The features and tasks of a trained model; `models.multitask.record` has the rest.

    radii: how far intervals and sets reach, of tasks with `coverage`.
    """

    features: tuple[Feature, ...]
    targets: tuple[TaskTarget, ...]
    radii: Mapping[str, float] = field(default_factory=dict)


def read_description(directory: Path) -> Description:
    """The description in the directory of a trained model, without importing TensorFlow.

    Raises:
        OSError, ValueError: there is none, or it cannot be read.
    """
    return _adapter().validate_json((directory / RECORD).read_bytes())


@cache
def _adapter() -> TypeAdapter[Description]:
    return TypeAdapter(Description)
