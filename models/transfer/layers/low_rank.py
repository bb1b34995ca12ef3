"""Low-rank updates of the kernels of Keras layers.

As in the paper, every kernel is treated as a matrix [inputs, outputs]. Keras's own `enable_lora`
factors the kernel of an `EinsumDense`, [inputs, heads, size], along its last axis only: for the
query projection of a BERT that leaves a quarter of the weights, not two thin matrices.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

from models.lazy import Tensor, keras


def can_adapt(layer: keras.Layer) -> bool:
    """Whether the layer's kernel is a matrix from inputs to outputs: in dense layers and
    convolutions, but not in depthwise, transposed or recurrent ones.
    """
    layers = keras.layers
    convolutions = layers.Conv1D | layers.Conv2D | layers.Conv3D
    adaptable = isinstance(layer, layers.Dense | layers.EinsumDense | convolutions)
    return adaptable and layer.built and _num_input_axes(layer) > 0


def add_low_rank(layer: keras.Layer, rank: int, alpha: float) -> list[keras.Variable]:
    """Replace the kernel by W + alpha / rank * A B, and freeze the layer's other weights.

    Returns: A [inputs, rank], He-uniform, and B [rank, outputs], zeros; float32.
    """
    shape = layer._kernel.shape
    axes = _num_input_axes(layer)
    for variable in layer.trainable_variables:
        variable.trainable = False
    locked = layer._tracker.locked
    layer._tracker.unlock()
    inputs, outputs = prod(shape[:axes]), prod(shape[axes:])
    layer.low_rank_a = layer.add_weight((inputs, rank), "he_uniform", "float32", name="low_rank_a")
    layer.low_rank_b = layer.add_weight((rank, outputs), "zeros", "float32", name="low_rank_b")
    layer.low_rank_scale = alpha / rank
    if locked:
        layer._tracker.lock()
    object.__setattr__(layer, "__class__", _adapted(layer.__class__))
    return [layer.low_rank_a, layer.low_rank_b]


def merge_low_rank(layer: keras.Layer) -> None:
    """Add the update to the kernel and remove A and B. Does nothing to layers without an update."""
    if not issubclass(type(layer), _LowRank):
        return
    layer._kernel.assign(layer.kernel)
    object.__setattr__(layer, "__class__", type(layer).__mro__[2])
    for name in ("low_rank_a", "low_rank_b"):
        layer._untrack_variable(getattr(layer, name))
        # Keras's own `__delattr__` also collects garbage, which takes seconds for many layers.
        super(keras.Layer, layer).__delattr__(name)


class _LowRank:
    """Mixin before a layer class that overrides its kernel."""

    @property
    def kernel(self: Any) -> Tensor:
        """The kernel with the update, in the layer's own shape."""
        update = keras.ops.matmul(self.low_rank_a, self.low_rank_b)
        update = keras.ops.reshape(update, self._kernel.shape)
        return self._kernel + self.low_rank_scale * update


@cache
def _adapted(cls: type) -> type:
    return type(cls.__name__, (_LowRank, cls), {"__module__": cls.__module__})


def _num_input_axes(layer: keras.Layer) -> int:
    """The number of leading kernel axes that are inputs; 0 if the inputs do not come first."""
    if not isinstance(layer, keras.layers.EinsumDense):
        return len(layer._kernel.shape) - 1
    inputs, rest = layer.equation.replace("...", "").split(",")
    kernel, _, _ = rest.partition("->")
    is_input = [letter in inputs for letter in kernel]
    return sum(is_input) if is_input == sorted(is_input, reverse=True) and not all(is_input) else 0
