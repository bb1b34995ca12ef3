"""Rebuilding the Keras model of a `TrainedModel`; see `models.multitask.record` for its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import TrainedModel
from models.inputs.base import Feature
from models.multitask.build import read_model, save_weights
from models.multitask.record import ModelRecord, read_record, save_record
from models.tasks.base import TaskTarget

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from models.inputs.layers.preprocessing import Preprocessing
    from models.multitask.model import MultitaskModel


CLASSES = Path("assets.extra") / "classes.json"
"""In a SavedModel: the classes of every task that has some, in the order of its answers."""


def write_classes(targets: Sequence[TaskTarget], saved_model: Path) -> None:
    """Keep the tasks' classes with a SavedModel, so that others can hold theirs against them."""
    file = saved_model / CLASSES
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({t.name: t.classes for t in targets if t.classes}, indent=1))


def read_classes(saved_model: Path) -> dict[str, tuple[str, ...]]:
    """The classes by task; empty where the model was made elsewhere."""
    try:
        told = json.loads((saved_model / CLASSES).read_text())
    except FileNotFoundError:
        return {}
    return {task: tuple(classes) for task, classes in told.items()}


@dataclass(frozen=True)
class KerasModel:
    """A trained model in Keras, from raw inputs to answers."""

    record: ModelRecord
    model: MultitaskModel
    preprocessing: Preprocessing

    def __call__(self, raw: Mapping[str, tf.Tensor | np.ndarray]) -> dict[str, tf.Tensor]:
        """Float32 [batch, width] by task.

        raw: [batch] by feature name: strings (bytes) or float32; see `components.data.raw`.
        """
        import tensorflow as tf

        tensors = {name: tf.convert_to_tensor(values) for name, values in raw.items()}
        return self.model.answers(self.preprocessing(tensors))


def load_keras(trained: TrainedModel) -> KerasModel:
    """Rebuild the Keras model of an artifact; the trunk's pretrained files may be gone.

    Raises:
        ValueError: its weights do not fit its record.
    """
    from models.inputs.layers.preprocessing import Preprocessing

    record = load_record(trained)
    return KerasModel(record, read_model(trained.path, record), Preprocessing(record.features))


def load_record(trained: TrainedModel) -> ModelRecord:
    """What the model is made of, without importing TensorFlow."""
    return read_record(trained.path)


def load_description(trained: TrainedModel) -> tuple[tuple[Feature, ...], tuple[TaskTarget, ...]]:
    """What the model reads and what it answers, without importing TensorFlow."""
    record = load_record(trained)
    return record.features, record.targets


__all__ = [
    "KerasModel",
    "ModelRecord",
    "load_description",
    "load_keras",
    "load_record",
    "save_record",
    "save_weights",
]
