"""Reading and writing `Preprocessing`: the features with their state."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from components.artifacts import Preprocessing
from models.inputs.base import Feature

FILE = "preprocessing.json"
_FEATURES: TypeAdapter[tuple[Feature, ...]] = TypeAdapter(tuple[Feature, ...])


def load_preprocessing(artifact: Preprocessing) -> tuple[Feature, ...]:
    """The features, in the order of the spec's inputs."""
    return _FEATURES.validate_json((artifact.path / FILE).read_bytes())


def save_preprocessing(features: tuple[Feature, ...], directory: Path) -> None:
    """Write `preprocessing.json` into an existing directory."""
    (directory / FILE).write_bytes(_FEATURES.dump_json(features, indent=1))
