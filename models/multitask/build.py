"""Builds the Keras model of a record and reads or writes its weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.inputs.base import Feature
from models.lazy import keras
from models.model_files import WEIGHTS
from models.multitask.record import ModelRecord, read_record

if TYPE_CHECKING:
    from models.multitask.model import MultitaskModel


def build_model(record: ModelRecord) -> MultitaskModel:
    """A model with the pretrained weights of its trunk, if it has any, and fresh ones elsewhere.

    Raises:
        TrunkError: the trunk cannot be built.
        ValueError: a task's class weights do not fit its classes.
    """
    from models.multitask.model import MultitaskModel

    model = MultitaskModel(
        record.features,
        record.targets,
        record.trunk,
        record.sharing,
        record.balancing,
        tuple(m for e in record.experts for m in e.members),
    )
    model.calibrations, model.radii = dict(record.calibrations), dict(record.radii)
    return model


def read_model(directory: Path, record: ModelRecord) -> MultitaskModel:
    """The trained model of a directory.

    record: that which `read_record` reads there, or one whose features have other names.

    Raises:
        ValueError: the weights do not fit the record.
    """
    import numpy as np

    model = build_model(record)
    with np.load(directory / WEIGHTS) as arrays:
        model.load_weights_from(list(arrays.values()))
    return model


def save_weights(model: MultitaskModel, directory: Path) -> None:
    """Write `weights.npz`: see `models.model_files.WEIGHTS`."""
    import numpy as np

    named = {f"{i}:{w.path}": np.asarray(w) for i, w in enumerate(model.weights)}
    np.savez(directory / WEIGHTS, allow_pickle=False, **named)


def specs_of(directory: Path) -> tuple[object, ...]:
    """The dataclasses that determine the layers of a trained model, those of its trunk included.

    Raises:
        OSError, ValueError: there is no record, or it cannot be read.
    """
    record = read_record(directory)
    return (record, *record.trunk.made_of())


def read_trunk(
    directory: Path, features: tuple[Feature, ...], pretrained: bool = True
) -> keras.Model:
    """The trunk of a trained model, with its weights or, unless `pretrained`, with fresh ones.

    features: those that it was trained with, in that order, with any names.

    Raises:
        OSError, ValueError: the model cannot be read, or its sharing has no single trunk.
    """
    record = replace(read_record(directory), features=features)
    if not record.sharing.one_trunk:
        raise ValueError(
            f"there is no single trunk, because sharing {record.sharing.name} takes trunks apart."
            " Expected a model with another sharing."
        )
    return (read_model(directory, record) if pretrained else build_model(record)).trunk
