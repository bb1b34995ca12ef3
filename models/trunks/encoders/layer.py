"""What a layer of the user's own computes is a column of vectors."""

from __future__ import annotations

from models.inputs.layer import LayerFeature
from models.lazy import Tensor
from models.trunks.encoders.base import Encoders, FeatureEncoder
from models.trunks.encoders.column_mlp import Column


class LayerEncoder(FeatureEncoder[LayerFeature]):
    def encode(self, feature: LayerFeature, x: Tensor, encoders: Encoders) -> Column:
        return Column(x)
