"""A Keras layer of the user's own, inside the graph."""

from __future__ import annotations

from models.inputs.layer import LayerFeature
from models.inputs.layers.base import FeaturePreprocessing
from models.inputs.layers.custom_layer import load_layer
from models.lazy import tf


class LoadedLayer(tf.Module):  # type: ignore[misc]
    """A layer and its weights, which TensorFlow does not find in Keras's variables by itself."""

    def __init__(self, feature: LayerFeature) -> None:
        super().__init__("layer")
        self.layer = load_layer(feature)
        self.layer_weights = [w.value for w in self.layer.weights]


class LayerPreprocessing(FeaturePreprocessing[LayerFeature, LoadedLayer]):
    """float32 [batch, width]."""

    def state(self, feature: LayerFeature) -> LoadedLayer:
        return LoadedLayer(feature)

    def apply(self, feature: LayerFeature, raw: tf.Tensor, state: LoadedLayer) -> tf.Tensor:
        numbers = state.layer(raw[:, None], training=False)
        return tf.reshape(tf.cast(numbers, tf.float32), (tf.shape(raw)[0], feature.width))
