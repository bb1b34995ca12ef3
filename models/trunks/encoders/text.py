"""Words are encoded by embeddings and a convolution."""

from __future__ import annotations

from models.inputs.base import RESERVED
from models.inputs.text import TextFeature
from models.lazy import keras
from models.trunks.encoders.base import Encoders, FeatureEncoder


class WordsEncoder(FeatureEncoder[TextFeature]):
    """By `scratch`'s `text`."""

    def encode(
        self, feature: TextFeature, x: keras.KerasTensor, encoders: Encoders
    ) -> keras.KerasTensor:
        return encoders.text.encode(x, RESERVED + len(feature.vocabulary), feature.name)
