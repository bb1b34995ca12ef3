"""Parallel multilayer perceptrons. Importing this module imports Keras."""

from __future__ import annotations

from collections.abc import Sequence

from models.lazy import Tensor, keras
from models.sharing.layers.base import SharingLayer


class Experts(SharingLayer):
    """Several perceptrons on one input: [batch, features] to [batch, experts, width].

    widths: units of each expert's layers; each layer is followed by ReLU.
    """

    def __init__(self, experts: int, widths: Sequence[int], name: str) -> None:
        super().__init__(name=name)
        self.experts, self.widths = experts, tuple(widths)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Kernels are stacked, one matrix per expert, each initialised independently."""
        self.kernels, self.biases = [], []
        sizes = (shape[-1], *self.widths)
        for i, (size, width) in enumerate(zip(sizes, self.widths, strict=False)):
            shape, initial = (self.experts, size, width), _each("glorot_uniform")
            self.kernels.append(self.add_weight(shape, initial, name=f"kernel{i}"))
            self.biases.append(self.add_weight((self.experts, width), "zeros", name=f"bias{i}"))

    @property
    def undecayed(self) -> list[keras.Variable]:
        return list(self.biases)

    def call(self, x: Tensor) -> Tensor:
        """The first layers of all experts are computed as one matrix product."""
        ops = keras.ops
        first, *others = self.kernels
        flat = ops.reshape(ops.transpose(first, (1, 0, 2)), (first.shape[1], -1))
        x = ops.reshape(x @ flat, (-1, self.experts, self.widths[0]))
        x = ops.relu(x + self.biases[0])
        for kernel, bias in zip(others, self.biases[1:], strict=True):
            x = ops.relu(ops.einsum("bei,eij->bej", x, kernel) + bias)
        return x


def _each(initializer: str) -> keras.initializers.Initializer:
    """An initializer of stacked matrices that initialises each matrix independently."""

    def draw(shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
        one = keras.initializers.get(initializer)
        return keras.ops.stack([one.clone()(shape[1:], dtype) for _ in range(shape[0])])

    return draw
