"""Gradient checkpointing: Chen et al. 2016, arXiv:1604.06174, section 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from models.lazy import Tensor, keras
from models.trunks.base import layer_groups


@contextmanager
def recomputed_blocks(trunk: keras.Model) -> Iterator[int]:
    """Within it, a backward pass keeps only the inputs of each block and computes the rest of the
    block again. Gradients stay the same. Gives the number of blocks.

    A block is a layer of layers in a group with a number, such as that of a transformer. One with
    dropout is left as it is, because it would draw again.
    """
    groups = layer_groups(trunk).items()
    layers = [
        la for name, group in groups if name.rpartition("/")[2].startswith("stage") for la in group
    ]
    blocks = [la for la in layers if _is_block(la)]
    for block in blocks:
        block.call = _recomputed(block.call)
    try:
        yield len(blocks)
    finally:
        for block in blocks:
            # Keras's own `__delattr__` also collects garbage, which takes seconds for many layers.
            super(keras.Layer, block).__delattr__("call")


def _is_block(layer: keras.Layer) -> bool:
    inside = list(layer._flatten_layers(include_self=False))
    drops = any(isinstance(la, keras.layers.Dropout) and la.rate > 0 for la in inside)
    return bool(inside) and bool(layer.weights) and not drops


def _recomputed(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def recomputed(*args: Any, **kwargs: Any) -> Tensor:
        named = {k: v for k, v in kwargs.items() if keras.ops.is_tensor(v)}
        if any(v.dtype.is_floating for v in named.values()):
            return call(*args, **kwargs)  # gradients are passed to positional tensors only
        return keras.remat(lambda *tensors: call(*tensors, **kwargs))(*args)

    return recomputed
