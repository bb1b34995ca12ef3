"""Numbers are columns."""

from __future__ import annotations

from models.inputs.numeric import NumericFeature
from models.lazy import Tensor
from models.trunks.encoders.base import Encoders, FeatureEncoder
from models.trunks.encoders.column_mlp import Column


class NumericEncoder(FeatureEncoder[NumericFeature]):
    def encode(self, feature: NumericFeature, x: Tensor, encoders: Encoders) -> Column:
        return Column(x, feature.ids, feature.knots)
