"""Number of floating-point operations for one example. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from models.inputs.base import Feature
from models.lazy import tf
from models.multitask.parts import MultitaskParts
from models.trunks.layers.trim_padding import trimming

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_LOOPS = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase")


def flops_per_example(model: MultitaskParts, features: tuple[Feature, ...]) -> int | None:
    """Floating-point operations of all matrix products and convolutions, from preprocessed features
    and margins of experts to the answers of all tasks, with texts at their full length. A
    multiplication with its addition counts as two. None if the graph has
    loops, or shapes that are known only when it runs.
    """
    if any(f.dtype == "string" for f in features):
        return None
    trims = [(layer, layer.enabled) for layer in trimming(model.trunk)]
    for layer, _ in trims:
        layer.enabled = False
    try:
        columns = (*features, *model.margins)
        specs = {c.name: tf.TensorSpec((1, *c.shape), c.dtype) for c in columns}
        traced = tf.function(model.answers, autograph=False).get_concrete_function(specs)
    finally:
        for layer, enabled in trims:
            layer.enabled = enabled
    counts = list(_counts(traced.graph))
    return None if None in counts else sum(c for c in counts if c is not None)


def _counts(graph: Any) -> Iterator[int | None]:
    """Operations of each node of a graph; None for a node whose count is unknown."""
    for op in graph.get_operations():
        if op.type in _CALLS:
            yield from _counts(graph._get_function(op.get_attr("f").name).graph)
        elif op.type in _LOOPS:
            yield None
        elif op.type in _OPERATIONS:
            shapes = [t.shape for t in (*op.inputs, *op.outputs)]
            known = all(s.is_fully_defined() for s in shapes)
            yield 2 * _OPERATIONS[op.type](op) if known else None


def _product(op: Any) -> int:
    """Multiplications of a (batched) matrix product: output size times summed dimension."""
    adjoint = "adj_x" if op.type.startswith("Batch") else "transpose_a"
    left = op.inputs[0].shape
    return _size(op.outputs[0]) * int(left[-2] if op.get_attr(adjoint) else left[-1])


def _einsum(op: Any) -> int:
    """Multiplications of an einsum: one for every combination of indices."""
    sizes: dict[str, int] = {}
    terms = op.get_attr("equation").decode().split("->")[0].split(",")
    for labels, operand in zip(terms, op.inputs, strict=True):
        before, _, after = labels.partition("...")
        shape = list(operand.shape)
        middle = len(shape) - len(before) - len(after)
        named = [*before, *(f"...{middle - i}" for i in range(middle)), *after]
        for name, size in zip(named if "..." in labels else labels, shape, strict=True):
            sizes[name] = max(sizes.get(name, 1), int(size))
    return prod(sizes.values()) if len(op.inputs) > 1 else 0


def _convolution(op: Any) -> int:
    """Multiplications: each output value sums over the kernel window and the input channels."""
    return _size(op.outputs[0]) * prod(int(d) for d in op.inputs[1].shape[:-1])


def _depthwise(op: Any) -> int:
    """Multiplications: each output value sums over the kernel window of one channel."""
    return _size(op.outputs[0]) * prod(int(d) for d in op.inputs[1].shape[:2])


def _size(tensor: Any) -> int:
    return prod(int(d) for d in tensor.shape)


_OPERATIONS = {
    "MatMul": _product,
    "BatchMatMul": _product,
    "BatchMatMulV2": _product,
    "BatchMatMulV3": _product,
    "Einsum": _einsum,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
}
