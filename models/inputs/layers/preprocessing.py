"""Raw inputs to preprocessed features, in TensorFlow operations.

One definition, for Transform and for the served graph. Importing this module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.discovery import part
from models.inputs.base import Feature
from models.inputs.layers.base import FeaturePreprocessing
from models.lazy import tf


class Preprocessing(tf.Module):  # type: ignore[misc]
    """From {name: [batch]} raw to {name: [batch, ...]} preprocessed; see the feature classes.

    Tracks its look-up tables, tokenizers and layers, so that a SavedModel of it holds them.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__("preprocessing")
        self.features = tuple(features)
        self.state = {f.name: _of_kind(f).state(f) for f in self.features}

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def __call__(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Preprocess a batch.

        Raises:
            tf.errors.InvalidArgumentError: bytes that are not an image.
        """
        return self.of(raw, self.features)

    def of(self, raw: Mapping[str, tf.Tensor], features: Sequence[Feature]) -> dict[str, tf.Tensor]:
        """Preprocess a batch of some of the features."""
        return {f.name: _of_kind(f).apply(f, raw[f.name], self.state[f.name]) for f in features}

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def counting_cuts(
        self, raw: Mapping[str, tf.Tensor]
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Preprocess a batch. Also how many rows of each feature are cut to fit: int32 scalars."""
        features, cuts = {}, {}
        for f in self.features:
            state = self.state[f.name]
            features[f.name], cuts[f.name] = _of_kind(f).apply_counting_cuts(f, raw[f.name], state)
        return features, cuts

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def of_published(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Preprocess a batch of what a published TF-Hub module takes."""
        return {
            f.name: _of_kind(f).apply_published(f, inputs[f.name], self.state[f.name])
            for f in self.features
        }


def published_inputs(features: Sequence[Feature]) -> dict[str, tf.TensorSpec]:
    return {f.name: _of_kind(f).published_input(f) for f in features}


def _of_kind(feature: Feature) -> FeaturePreprocessing[Any, Any]:
    return part("models.inputs.layers", FeaturePreprocessing, feature.kind)()
