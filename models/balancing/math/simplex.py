"""Weights on the probability simplex, computed in the graph."""

from __future__ import annotations

from models.lazy import Tensor, keras


def project_onto_simplex(x: Tensor, members: Tensor) -> Tensor:
    """The nearest y >= 0 [n] whose members sum to 1; 0 for all others.

    Algorithm: sorting (Held, Wolfe and Crowder 1974, Mathematical Programming 6). members: [n], 1
    or 0.
    """
    ops = keras.ops
    count = x.shape[0]
    excluded = ops.min(x) - 2.0  # so far below the members that the result is 0
    ordered = ops.flip(ops.sort(ops.where(members > 0, x, excluded)))
    excess = (ops.cumsum(ordered) - 1) / ops.arange(1, count + 1, dtype=x.dtype)
    last = ops.sum(ops.cast(ordered > excess, "int32")) - 1
    return members * ops.maximum(x - ops.take(excess, ops.maximum(last, 0)), 0)


def min_norm_step(
    weights: Tensor, gramian: Tensor, present: Tensor, learning_rate: float | Tensor, decay: float
) -> Tensor:
    """Weights [tasks] after one projected gradient step towards the min-norm point of the
    gradients.

    The objective is `weights @ (gramian + decay * identity) @ weights / 2`. Weights of absent tasks
    do not change, nor does the sum of the others.
    """
    ops = keras.ops
    total = ops.maximum(ops.sum(present * weights), 1e-30)
    shares = present * weights / total
    slope = ops.matmul(gramian, shares) + decay * shares
    projected = project_onto_simplex(shares - learning_rate * slope, present)
    return ops.where(present > 0, total * projected, weights)
