"""Adds what experts say to the representation of a network. Imports TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.lazy import keras

HIDDEN = 64
LIMIT = 8.0
"""Largest absolute value of a standardised margin; a certain expert does not drown the others."""


class Fusion(keras.layers.Layer):  # type: ignore[misc]
    """Residual: h + W relu(V [h, m] + b), with W zero at first, so that training starts from the
    network alone and an expert that does not help changes nothing.

    h: representation [batch, width]. m: margins [batch, margins], standardised here.
    """

    def __init__(self, width: int, margins: int, **options: Any) -> None:
        super().__init__(**{"name": "fusion"} | options)
        self.mean = self.add_weight(
            shape=(margins,), initializer="zeros", trainable=False, name="mean"
        )
        self.deviation = self.add_weight(
            shape=(margins,), initializer="ones", trainable=False, name="deviation"
        )
        self.hidden = keras.layers.Dense(HIDDEN, activation="relu", name="fusion.hidden")
        self.added = keras.layers.Dense(width, kernel_initializer="zeros", name="fusion.added")
        self.hidden.build((None, width + margins))
        self.added.build((None, HIDDEN))
        self.built = True

    def standardise_by(self, margins: np.ndarray) -> None:
        """Take mean and deviation from the margins of training rows, [rows, margins]."""
        deviation = margins.std(axis=0)
        self.mean.assign(margins.mean(axis=0))
        self.deviation.assign(np.where(deviation > 1e-6, deviation, 1.0))

    def call(
        self, representation: keras.KerasTensor, margins: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        standardised = ops.clip((margins - self.mean) / self.deviation, -LIMIT, LIMIT)
        standardised = ops.cast(standardised, representation.dtype)
        hidden = self.hidden(ops.concatenate([representation, standardised], axis=-1))
        return representation + self.added(hidden)
