"""A trunk of three groups of layers, with one of each that transfer modes treat differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.inputs.base import Feature
from models.inputs.image import ImageFeature
from models.lazy import keras
from models.trunks.base import Trunk

IMAGE = ImageFeature(name="image", column="image", height=6, width=6, channels=2)


@dataclass(frozen=True, kw_only=True)
class SmallTrunk(Trunk):
    """From float images [batch, 6, 6, 2] to [batch, 5]."""

    name: Literal["small"] = "small"

    def build(self, features: tuple[Feature, ...]) -> keras.Model:
        layers = keras.layers
        image = keras.Input(IMAGE.shape, name=IMAGE.name)
        x = layers.Conv2D(4, 3, name="stem.conv")(image)
        x = layers.BatchNormalization(name="stem.norm")(x)
        x = layers.DepthwiseConv2D(3, activation="relu", name="stage1.depthwise")(x)
        x = layers.Flatten()(x)
        x = layers.Dense(5, activation="gelu", name="stage2.dense")(x)
        x = layers.Dropout(0.5, name="stage2.drop")(x)
        return keras.Model({IMAGE.name: image}, x, name="trunk")
