"""The state of a Keras layer of the user's own, from the rows of the training split."""

from __future__ import annotations

from collections.abc import Iterator

from components.data.lazy import np
from components.data.raw import raw_inputs
from components.data.shards import small_batches
from components.errors import RootstockError
from components.transform.fit.base import InputFit, TrainingColumn
from models.inputs.layer import LayerFeature, LayerInput


class LayerFit(InputFit[LayerInput]):
    """The layer is adapted if it can be. Importing it imports TensorFlow."""

    def fit(self, spec: LayerInput, training: TrainingColumn) -> LayerFeature:
        from models.inputs.layers.custom_layer import LayerError, layer_feature

        def values() -> Iterator[np.ndarray]:
            for file in training.examples.shards("train"):
                for batch in small_batches(file, [spec.column]):
                    raw = raw_inputs(batch, [spec])[spec.name]
                    yield raw[raw == raw if spec.reads == "number" else raw != ""]

        try:
            return layer_feature(spec, values)
        except (LayerError, OSError) as e:
            raise RootstockError(f"inputs.{spec.name}: {e}") from e
