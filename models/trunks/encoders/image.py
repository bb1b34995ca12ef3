"""Images are encoded by a convnet."""

from __future__ import annotations

from models.inputs.image import ImageFeature
from models.layer_names import scope_of
from models.lazy import Tensor
from models.trunks.encoders.base import Encoders, FeatureEncoder


class ImageEncoder(FeatureEncoder[ImageFeature]):
    def encode(self, feature: ImageFeature, x: Tensor, encoders: Encoders) -> Tensor:
        return encoders.image.encode(x, scope_of(feature.name))
