"""Words are encoded by pooled embeddings."""

from __future__ import annotations

from models.inputs.base import RESERVED
from models.inputs.text import TextFeature
from models.layer_names import scope_of
from models.lazy import Tensor
from models.trunks.encoders.base import Encoders, FeatureEncoder


class WordsEncoder(FeatureEncoder[TextFeature]):
    def encode(self, feature: TextFeature, x: Tensor, encoders: Encoders) -> Tensor:
        return encoders.text.encode(x, RESERVED + len(feature.vocabulary), scope_of(feature.name))
