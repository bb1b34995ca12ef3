"""The Keras model of a `TrainedModel`, rebuilt from its record and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.artifacts import TrainedModel
from models.multitask.build import read_model
from models.multitask.record import ModelRecord, read_record

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from models.inputs.layers.preprocessing import Preprocessing
    from models.multitask.model import MultitaskModel


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
        ValueError: the weights do not fit the record.
    """
    from models.inputs.layers.preprocessing import Preprocessing

    record = read_record(trained.path)
    return KerasModel(record, read_model(trained.path, record), Preprocessing(record.features))
