"""The features of a trained model, for another model that reads its inputs in the same way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from models.inputs.base import Feature, Input
from models.model_files import RECORD


@dataclass(frozen=True, kw_only=True)
class _Record:
    """The part of `models.multitask.record.ModelRecord` that needs no method."""

    features: tuple[Feature, ...]


def read_features(directory: Path) -> tuple[Feature, ...]:
    """The features of the model in a directory, without importing TensorFlow.

    Raises:
        OSError, ValueError: its record is missing or cannot be read.
    """
    return _adapter().validate_json((directory / RECORD).read_bytes()).features


@cache
def _adapter() -> TypeAdapter[_Record]:
    return TypeAdapter(_Record)


def as_trained(inputs: tuple[Input, ...], trained: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """For each input the feature of the same name, or else the only one of a fitting kind.

    Raises:
        ValueError: an input has no feature, or a feature has no input.
    """
    left = list(trained)
    matches: dict[str, Feature] = {}
    for by_name in (True, False):
        for spec in inputs:
            fitting = [f for f in left if f.kind in spec.feature_kinds]
            if by_name:
                fitting = [f for f in fitting if f.name == spec.name]
            if spec.name not in matches and len(fitting) == 1:
                matches[spec.name] = fitting[0]
                left.remove(fitting[0])
    for spec in inputs:
        if spec.name in matches and (problem := spec.check_trained(matches[spec.name])):
            raise ValueError(problem)
    missing = [f"inputs.{i.name} ({i.kind})" for i in inputs if i.name not in matches]
    if missing or left:
        unread = f" Not read: {', '.join(missing)}." if missing else ""
        without = f" Without an input: {', '.join(f.name for f in left)}." if left else ""
        features = ", ".join(f"{f.name} ({f.kind})" for f in trained)
        raise ValueError(
            f"The trained model reads {features}. Expected inputs of the same names, or one of each"
            f" kind.{unread}{without}"
        )
    return tuple(replace(matches[i.name], name=i.name, column=i.column) for i in inputs)
