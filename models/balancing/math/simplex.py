"""Projection onto the simplex, in the graph."""

from __future__ import annotations

from models.lazy import keras


def onto_simplex(x: keras.KerasTensor, members: keras.KerasTensor) -> keras.KerasTensor:
    """The nearest y >= 0 [n] whose members sum to 1; 0 for the others.

    By sorting (Held, Wolfe and Crowder 1974, Mathematical Programming 6). members: [n], 1 or 0.
    """
    ops = keras.ops
    count = x.shape[0]
    lowest = ops.min(x) - 2.0  # too far below the members to be taken in
    ordered = ops.flip(ops.sort(ops.where(members > 0, x, lowest)))
    excess = (ops.cumsum(ordered) - 1) / ops.arange(1, count + 1, dtype=x.dtype)
    last = ops.sum(ops.cast(ordered > excess, "int32")) - 1
    return members * ops.maximum(x - ops.take(excess, ops.maximum(last, 0)), 0)
