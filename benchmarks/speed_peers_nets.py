"""The networks of `speed_peers.py` and `gpu_peers.py` in Keras, on any backend of Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from speed_peers_cases import (
    HEADS,
    HIDDEN,
    INNER,
    KNOTS,
    LAYERS,
    POSITIONS,
    SIZES,
    SMOLLM,
    VOCABULARY,
    Case,
)

from models.inputs.base import Feature
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.tokens import TokensFeature
from models.lazy import keras
from models.trunks.applications import Applications
from models.trunks.base import Trunk
from models.trunks.encoders.column_mlp import ColumnMlp
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.scratch import Scratch
from models.trunks.sources.text_backbone import text_model


@dataclass(frozen=True, kw_only=True)
class MiniLm(Trunk):
    """A BERT of the shape of all-MiniLM-L6 with random weights, read by the mean of its tokens."""

    name: Literal["minilm"] = "minilm"

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        import keras_hub

        backbone = keras_hub.models.BertBackbone(
            vocabulary_size=VOCABULARY,
            num_layers=LAYERS,
            num_heads=HEADS,
            hidden_dim=HIDDEN,
            intermediate_dim=INNER,
            max_sequence_length=POSITIONS,
            dropout=0.1,
        )
        texts = tuple(f for f in features if isinstance(f, TokensFeature))
        return text_model(backbone, texts, "MiniLM", "mean", "mean")


@dataclass(frozen=True, kw_only=True)
class SmolLm(Trunk):
    """A decoder of the shape of SmolLM2-135M with random weights, read at the last token."""

    name: Literal["smollm"] = "smollm"

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        import keras_hub

        constants = {"rope_max_wavelength": 100000, "layer_norm_epsilon": 1e-5}
        backbone = keras_hub.models.LlamaBackbone(**SMOLLM, **constants, tie_word_embeddings=True)
        texts = tuple(f for f in features if isinstance(f, TokensFeature))
        return text_model(backbone, texts, "SmolLM2", "last", "mean")


def features_of(case: Case) -> tuple[Feature, ...]:
    if case.side:
        channels, side = 1 if case.side < 32 else 3, case.side
        return (ImageFeature(name="image", column="", height=side, width=side, channels=channels),)
    if case.length:
        text = TokensFeature(
            name="text",
            column="",
            tokenizer="",
            config="",
            files=(),
            start=None,
            end=None,
            pad=0,
            length=case.length,
            vocabulary_size=VOCABULARY,
        )
        return (text,)
    knots = tuple(np.linspace(-2, 2, KNOTS)) if case.name == "table" else ()
    features: list[Feature] = []
    for name in case.columns():
        if name in SIZES:
            words = tuple(map(str, range(SIZES[name] - 2)))
            features.append(CategoricalFeature(name=name, column="", vocabulary=words))
        else:
            one = NumericFeature(name=name, column="", mean=0, deviation=1, knots=knots)
            features.append(one)
    return tuple(features)


def trunk_of(case: Case) -> Trunk:
    if case.name == "mobilenet96":
        return Applications(model="MobileNetV2", pretrained=False)
    if case.length:
        return SmolLm() if case.lora else MiniLm()
    if case.name == "eight":
        return Scratch(width=512, columns=ColumnMlp(layers=(512, 512, 512), members=1))
    if case.name == "digits":
        return Scratch(image=ResidualConvnet(widths=(16, 32)))
    return Scratch()
