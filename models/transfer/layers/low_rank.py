"""Low-rank updates of the kernels of Keras layers.

Keras's own `enable_lora` factors the kernel of an `EinsumDense`, [inputs, heads, size], along its
last axis alone: of a BERT's query projection that leaves a quarter of the weights, not two thin
matrices. Here every kernel counts as the matrix [inputs, outputs] that it is in the paper.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

from models.lazy import keras


def can_adapt(layer: keras.Layer) -> bool:
    """Whether its kernel is a matrix from inputs to outputs: of dense layers and convolutions, but
    neither of depthwise or transposed convolutions nor of recurrent layers.
    """
    layers = keras.layers
    if not isinstance(
        layer, layers.Dense | layers.EinsumDense | layers.Conv1D | layers.Conv2D | layers.Conv3D
    ):
        return False
    return layer.built and _num_input_axes(layer) > 0


def add_low_rank(layer: keras.Layer, rank: int, alpha: float) -> list[keras.Variable]:
    """Make the kernel W + alpha / rank * A B, and freeze the layer's other weights.

    Returns: A [inputs, rank], He-uniform, and B [rank, outputs], zeros; float32.
    """
    shape = layer._kernel.shape
    axes = _num_input_axes(layer)
    for variable in layer.trainable_variables:
        variable.trainable = False
    locked = layer._tracker.locked
    layer._tracker.unlock()
    layer.low_rank_a = layer.add_weight(
        (prod(shape[:axes]), rank), "he_uniform", "float32", name="low_rank_a"
    )
    layer.low_rank_b = layer.add_weight(
        (rank, prod(shape[axes:])), "zeros", "float32", name="low_rank_b"
    )
    layer.low_rank_scale = alpha / rank
    if locked:
        layer._tracker.lock()
    object.__setattr__(layer, "__class__", _adapted(layer.__class__))
    return [layer.low_rank_a, layer.low_rank_b]


def merge_low_rank(layer: keras.Layer) -> None:
    """Add the update to the kernel and take A and B out; layers without one stay as they are."""
    if not hasattr(layer, "low_rank_a"):
        return
    layer._kernel.assign(layer.kernel)
    object.__setattr__(layer, "__class__", type(layer).__mro__[2])
    for name in ("low_rank_a", "low_rank_b"):
        layer._untrack_variable(getattr(layer, name))
        # Keras's own `__delattr__` also collects garbage, for seconds where many layers are adapted
        super(keras.Layer, layer).__delattr__(name)


class _LowRank:
    """Before a layer class: what its kernel is."""

    @property
    def kernel(self: Any) -> keras.KerasTensor:
        """The whole kernel, in the shape that the layer knows."""
        update = keras.ops.matmul(self.low_rank_a, self.low_rank_b)
        update = keras.ops.reshape(update, self._kernel.shape)
        return self._kernel + self.low_rank_scale * update


@cache
def _adapted(cls: type) -> type:
    return type(cls.__name__, (_LowRank, cls), {"__module__": cls.__module__})


def _num_input_axes(layer: keras.Layer) -> int:
    """How many leading axes of the kernel are inputs; 0 where they do not come first."""
    if not isinstance(layer, keras.layers.EinsumDense):
        return len(layer._kernel.shape) - 1
    taken, rest = layer.equation.replace("...", "").split(",")
    kernel, _, _ = rest.partition("->")
    inputs = [letter in taken for letter in kernel]
    return sum(inputs) if inputs == sorted(inputs, reverse=True) and not all(inputs) else 0
