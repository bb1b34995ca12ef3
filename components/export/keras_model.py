"""The Keras model of a `TrainedModel`, rebuilt from its record and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.artifacts import TrainedModel
from models.experts.base import ExpertInputs
from models.experts.margins import MARGINS
from models.inputs.representation import REPRESENTATION
from models.multitask.build import read_model
from models.multitask.record import ModelRecord, read_record

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from models.experts.layers.panel import Panel
    from models.inputs.layers.preprocessing import Preprocessing
    from models.multitask.model import MultitaskModel
    from models.trunks.blocks import Blocks


@dataclass(frozen=True)
class KerasModel:
    """A trained model in Keras, from raw inputs to answers.

    blocks: of its trunk, if an expert reads them.
    """

    record: ModelRecord
    model: MultitaskModel
    preprocessing: Preprocessing
    experts: Panel | None = None
    blocks: Blocks | None = None

    def features(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What the model takes, from raw inputs: preprocessed features and the experts' margins."""
        return self._with_margins(raw, self.preprocessing(raw))

    @property
    def has_core(self) -> bool:
        """Whether all that follows preprocessing can do without raw text."""
        return not any(e.reads_text for e in self.record.experts)

    def prepared(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What the core takes, from raw inputs: numbers as they are, and all else preprocessed,
        such as pixels and tokens.
        """
        others = [f for f in self.record.features if f.raw != "number"]
        numbers = {f.name: raw[f.name] for f in self.record.features if f.raw == "number"}
        return {**numbers, **self.preprocessing.of(raw, others)}

    def features_of_prepared(self, prepared: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What the model takes, from what the core takes; for models with a core."""
        numbers = [f for f in self.record.features if f.raw == "number"]
        return self._with_margins(
            prepared, {**prepared, **self.preprocessing.of(prepared, numbers)}
        )

    def _with_margins(
        self, raw: Mapping[str, tf.Tensor], features: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        if self.experts is None:
            return features
        representation = blocks = None
        if self.blocks is not None:
            representation, blocks = self.blocks(features)
        elif self.experts.reads_representation:
            representation = self.model.encode(features)
        inputs = ExpertInputs(raw, features, representation, blocks)
        computed = {} if representation is None else {REPRESENTATION: representation}
        return {**features, **computed, MARGINS: self.experts(inputs)}

    def __call__(self, raw: Mapping[str, tf.Tensor | np.ndarray]) -> dict[str, tf.Tensor]:
        """Float32 [batch, width] by task.

        raw: [batch] by feature name: strings (bytes) or float32; see `components.data.raw`.
        """
        return self.model.answers(self.features(_tensors(raw)))

    def details(self, raw: Mapping[str, tf.Tensor | np.ndarray]) -> dict[str, tf.Tensor]:
        """The answers and what else is known of each row: see `MultitaskParts.details`."""
        return self.model.details(self.features(_tensors(raw)))


def _tensors(raw: Mapping[str, tf.Tensor | np.ndarray]) -> dict[str, tf.Tensor]:
    import tensorflow as tf

    return {name: tf.convert_to_tensor(values) for name, values in raw.items()}


def load_keras(trained: TrainedModel) -> KerasModel:
    """Rebuild the Keras model of an artifact; the trunk's pretrained files may be gone.

    Raises:
        ValueError: the weights do not fit the record.
    """
    from models.experts.layers.panel import read_panel
    from models.inputs.layers.preprocessing import Preprocessing
    from models.trunks.blocks import Blocks

    record = read_record(trained.path)
    model, preprocessing = read_model(trained.path, record), Preprocessing(record.features)
    experts = read_panel(trained.path, record.experts)
    wanted = experts is not None and experts.reads_blocks
    blocks = Blocks(model.trunk, record.features) if wanted else None
    return KerasModel(record, model, preprocessing, experts, blocks)
