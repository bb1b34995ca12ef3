"""Writing a `TrainedModel` and rebuilding its Keras model.

`model.json` is a `ModelRecord`; `weights.npz` holds the weights in order, under their paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from components.artifacts import TrainedModel
from models.features import Feature
from models.inputs import STRICT
from models.methods import BalancingSpec, SharingSpec, TrunkSpec
from models.task import TaskTarget

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from models.multitask import MultitaskModel
    from models.preprocessing import Preprocessing


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """All that the shape of a model follows from."""

    __pydantic_config__ = STRICT
    features: tuple[Feature, ...]
    targets: tuple[TaskTarget, ...]
    trunk: TrunkSpec
    sharing: SharingSpec
    balancing: BalancingSpec

    def build(self) -> MultitaskModel:
        """A model with fresh weights.

        Raises:
            ValueError: a task's class weights do not fit its classes.
        """
        from models.multitask import MultitaskModel

        return MultitaskModel(self.features, self.targets, self.trunk, self.sharing, self.balancing)


@dataclass(frozen=True)
class KerasModel:
    """A trained model in Keras, from raw inputs to answers."""

    record: ModelRecord
    model: MultitaskModel
    preprocessing: Preprocessing

    def __call__(self, raw: Mapping[str, tf.Tensor | np.ndarray]) -> dict[str, tf.Tensor]:
        """Float32 [batch, width] by task.

        raw: [batch] by feature name: strings (bytes) or float32, as `components.raw` gives them.
        """
        import tensorflow as tf

        tensors = {name: tf.convert_to_tensor(values) for name, values in raw.items()}
        return self.model.answers(self.preprocessing(tensors))


def load_keras(trained: TrainedModel) -> KerasModel:
    """Rebuild the Keras model of an artifact.

    Raises:
        ValueError: its weights do not fit its record.
    """
    import numpy as np

    from models.preprocessing import Preprocessing

    record = load_record(trained)
    model = record.build()
    with np.load(trained.path / "weights.npz") as arrays:
        model.load_weights_from(list(arrays.values()))
    return KerasModel(record, model, Preprocessing(record.features))


def load_record(trained: TrainedModel) -> ModelRecord:
    """What the model is made of, without importing TensorFlow."""
    return _adapter().validate_json((trained.path / "model.json").read_bytes())


def load_description(trained: TrainedModel) -> tuple[tuple[Feature, ...], tuple[TaskTarget, ...]]:
    """What the model reads and what it answers, without importing TensorFlow."""
    record = load_record(trained)
    return record.features, record.targets


def save_record(record: ModelRecord, directory: Path) -> None:
    """Write `model.json`."""
    (directory / "model.json").write_bytes(_adapter().dump_json(record, indent=1))


def save_weights(model: MultitaskModel, directory: Path) -> None:
    """Write `weights.npz`: arrays in the order of `model.weights`, named `<index>:<path>`."""
    import numpy as np

    named = {f"{i}:{w.path}": np.asarray(w) for i, w in enumerate(model.weights)}
    np.savez(directory / "weights.npz", allow_pickle=False, **named)


def _adapter() -> TypeAdapter[ModelRecord]:
    return TypeAdapter(ModelRecord)
