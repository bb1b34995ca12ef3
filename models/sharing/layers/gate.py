"""Gate: weights of experts, computed per example. Importing this module imports Keras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.lazy import Tensor, keras
from models.sharing.layers.base import SharingLayer, softmax

MOMENTUM = 0.9
"""Of the reported moving averages, which cover about ten batches."""


class Gate(SharingLayer):
    """Weights of the sources for one reader, per example: [batch, features] to [batch, sources].

    The weights sum to 1: a softmax of a linear map (Ma et al. 2018, KDD, equations 6 and 7). Their
    moving averages are kept for reports.
    """

    def __init__(self, reader: str, sources: Sequence[str], name: str) -> None:
        super().__init__(name=name)
        self.reader, self.sources = reader, tuple(sources)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Initially all sources have equal weight."""
        self.kernel = self.add_weight((shape[-1], len(self.sources)), "zeros", name="kernel")
        self.add_means()

    def add_means(self) -> None:
        """Create the moving averages of the weights."""
        even = keras.initializers.Constant(1 / len(self.sources))
        self.means = self.add_weight((len(self.sources),), even, trainable=False, name="means")

    def weigh(self, x: Tensor) -> Tensor:
        """The weights of the sources [batch, sources]."""
        return softmax(x @ self.kernel)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        weights = self.weigh(x)
        if training:
            means = keras.ops.mean(keras.ops.cast(weights, "float32"), axis=0)
            self.means.assign(MOMENTUM * self.means + (1 - MOMENTUM) * means)
        return weights

    def figures(self) -> dict[str, float]:
        means = zip(self.sources, np.asarray(self.means), strict=True)
        return {f"gate/{self.reader}/{source}": float(mean) for source, mean in means}
