"""The files of a trained model, and what its record says of inputs and tasks.

Reading this much needs neither the trunk nor any method; `models.multitask.record` reads the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from models.inputs.base import Feature
from models.tasks.base import TaskTarget

RECORD = "model.json"
"""A `models.multitask.record.ModelRecord`."""
WEIGHTS = "weights.npz"
"""The weights in the order of the model, each named `<index>:<path>`."""
SOURCE = "trunk_source"
"""A directory: what the trunk kept of its pretrained files, if it needs any."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a trained model reads and what it predicts."""

    features: tuple[Feature, ...]
    targets: tuple[TaskTarget, ...]


def read_description(directory: Path) -> Description:
    """The description in the directory of a trained model, without importing TensorFlow.

    Raises:
        OSError, ValueError: there is none, or it cannot be read.
    """
    return TypeAdapter(Description).validate_json((directory / RECORD).read_bytes())
