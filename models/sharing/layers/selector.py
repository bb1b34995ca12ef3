"""The gate of DSelect-k. Importing this module imports Keras."""

from __future__ import annotations

import numpy as np

from models.lazy import Tensor, keras
from models.sharing.layers.base import softmax
from models.sharing.layers.gate import Gate


class Selector(Gate):
    """A gate that learns to give at most `selected` experts a weight other than zero.

    temperature, entropy, by_example: see `models.sharing.dselect_k.DSelectK`.
    """

    def __init__(
        self,
        reader: str,
        experts: int,
        selected: int,
        *,
        temperature: float,
        entropy: float,
        by_example: bool,
        name: str,
    ) -> None:
        super().__init__(reader, [f"expert{i}" for i in range(experts)], name)
        self.selected, self.temperature = selected, temperature
        self.entropy, self.by_example = entropy, by_example
        positions = np.arange(max(experts - 1, 1).bit_length())
        self.bits = ((np.arange(experts)[:, None] >> positions) & 1).astype("float32")

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Bits start close to one half, where no expert is preferred."""
        bits = self.bits.shape[1]
        near = keras.initializers.RandomUniform(-self.temperature / 100, self.temperature / 100)
        sizes = (shape[-1],) if self.by_example else ()
        self.codes = self.add_weight((*sizes, self.selected * bits), near, name="codes")
        self.shares = self.add_weight((*sizes, self.selected), "zeros", name="shares")
        self.add_means()

    def weigh(self, x: Tensor) -> Tensor:
        """Equations 4 to 6: selectors r, weighted by a softmax."""
        ops = keras.ops
        codes, shares = self.codes.value, self.shares.value
        if self.by_example:
            codes, shares = x @ codes, x @ shares
        codes = ops.reshape(codes, (-1, self.selected, 1, self.bits.shape[1]))
        ones = smooth_step(ops.cast(codes, "float32"), self.temperature)
        selectors = ops.prod(self.bits * ones + (1 - self.bits) * (1 - ones), axis=-1)
        if self.entropy:
            entropy = -ops.sum(selectors * ops.log(selectors + 1e-6), axis=-1)
            self.add_loss(self.entropy * ops.mean(ops.sum(entropy, axis=-1)))
        shares = ops.reshape(softmax(ops.cast(shares, "float32")), (-1, self.selected, 1))
        weights = ops.sum(shares * selectors, axis=1)
        if not self.by_example:
            weights = ops.broadcast_to(weights, (ops.shape(x)[0], len(self.bits)))
        return ops.cast(weights, x.dtype)


def smooth_step(x: Tensor, temperature: float) -> Tensor:
    """Equation 3: 0 below -temperature / 2, 1 above temperature / 2, a cubic in between."""
    t = keras.ops.clip(x / temperature, -0.5, 0.5)
    return -2 * t**3 + 1.5 * t + 0.5
