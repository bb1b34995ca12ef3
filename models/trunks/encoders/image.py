"""Images are encoded by a convnet."""

from __future__ import annotations

from models.inputs.image import ImageFeature
from models.lazy import keras
from models.trunks.encoders.base import Encoders, FeatureEncoder


class ImageEncoder(FeatureEncoder[ImageFeature]):
    """By `scratch`'s `image`."""

    def encode(
        self, feature: ImageFeature, x: keras.KerasTensor, encoders: Encoders
    ) -> keras.KerasTensor:
        return encoders.image.encode(x, feature.name)
