"""Adapter layer of one task. Importing this module imports Keras."""

from __future__ import annotations

from models.lazy import Tensor, keras
from models.sharing.layers.base import SharingLayer


class Adapter(SharingLayer):
    """x + up(relu(down(x))) along the last axis; initially the identity, because `up` is zero."""

    private = True

    def __init__(self, task: str, stage: str, width: int) -> None:
        super().__init__(name=f"{task}_adapter_{stage.replace('.', '_')}")
        self.width = width

    def build(self, shape: tuple[int | None, ...]) -> None:
        size = shape[-1]
        self.down = self.add_weight((size, self.width), "glorot_uniform", name="down")
        self.down_bias = self.add_weight((self.width,), "zeros", name="down_bias")
        self.up = self.add_weight((self.width, size), "zeros", name="up")
        self.up_bias = self.add_weight((size,), "zeros", name="up_bias")

    def call(self, x: Tensor) -> Tensor:
        hidden = keras.ops.relu(x @ self.down + self.down_bias)
        return x + hidden @ self.up + self.up_bias
