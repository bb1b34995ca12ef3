"""Categories are embedded columns."""

from __future__ import annotations

from models.inputs.categorical import CategoricalFeature
from models.lazy import Tensor
from models.trunks.encoders.base import Encoders, FeatureEncoder
from models.trunks.encoders.column_mlp import Column


class CategoricalEncoder(FeatureEncoder[CategoricalFeature]):
    def encode(self, feature: CategoricalFeature, x: Tensor, encoders: Encoders) -> Column:
        return Column(x, feature.ids)
