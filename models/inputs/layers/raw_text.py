"""Text as it is, except for cleaning."""

from __future__ import annotations

from models.inputs.layers.base import Stateless
from models.inputs.layers.cleaning import clean_text
from models.inputs.raw_text import RawTextFeature
from models.lazy import tf


class RawTextPreprocessing(Stateless[RawTextFeature]):
    """[batch] string."""

    def apply(self, feature: RawTextFeature, raw: tf.Tensor, state: None) -> tf.Tensor:
        return clean_text(raw, feature.clean)
