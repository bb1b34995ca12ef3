"""The penalty of soft parameter sharing. Importing this module imports Keras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from models.lazy import Tensor, keras
from models.sharing.layers.base import SharingLayer


class Tether(SharingLayer):
    """Returns its inputs, and adds the trunks' distance from their mean weights as a loss.

    Its configuration has no trunks: a model that is read from a file answers as before, and adds no
    penalty if it is trained further.
    """

    def __init__(self, trunks: Sequence[keras.Model] = (), strength: float = 0.0) -> None:
        super().__init__(name="tether")
        self.strength = strength
        # Keras would make the trunks parts of this layer if it saw them.
        self._trunks: Callable[[], Sequence[keras.Model]] = lambda: trunks

    def call(self, xs: list[Tensor]) -> list[Tensor]:
        ops = keras.ops
        for group in zip(*[t.trainable_variables for t in self._trunks()], strict=True):
            stacked = ops.stack([ops.cast(v, "float32") for v in group])
            distance = ops.sum(ops.square(stacked - ops.mean(stacked, axis=0)))
            self.add_loss(self.strength * distance)
        return [ops.copy(x) for x in xs]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "strength": self.strength}
