"""Convex problems over a few weights of tasks, solved in the graph by interior point methods.

Fixed numbers of steps, static shapes and no branches, so that XLA can compile them; float64, which
costs nothing at these sizes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.lazy import keras

Derivatives = Callable[[keras.KerasTensor], tuple[keras.KerasTensor, keras.KerasTensor]]
"""From x [..., n] to the gradient [..., n] and the Hessian [..., n, n] of a convex function."""

STEPS = 20
CENTERING = 0.1
"""How much smaller the products of weights and multipliers become in a full step."""
WITHIN = 0.99
"""The share of the way to the nearest bound that a step may go."""


def interior_point(derivatives: Derivatives, members: keras.KerasTensor) -> keras.KerasTensor:
    """The x >= 0 [n] with `sum(members * x) = 1` at which a convex function is smallest.

    members: float64 [n], 1 or 0.
    """
    ops = keras.ops
    count = ops.maximum(ops.sum(members), 1.0)
    x = members / count + (1 - members)
    gradient, _ = derivatives(x)
    z = ops.ones_like(x) * ops.maximum(ops.max(ops.abs(gradient)), 1e-3)
    level = ops.min(gradient)
    for _ in range(STEPS):
        gradient, hessian = derivatives(x)
        aim = CENTERING * ops.mean(x * z) / x
        matrix = hessian + ops.diag(z / x)
        sides = ops.stack([aim - gradient + level * members, members], -1)
        plain, shift = ops.unstack(ops.solve(matrix, sides), axis=-1)
        give = ops.sum(members * shift)
        raised = ops.where(give > 0, (1 - ops.sum(members * (x + plain))) / give, 0)
        dx = plain + raised * shift
        dz = aim - z - z / x * dx
        step = ops.minimum(1.0, WITHIN * ops.minimum(_reach(x, dx), _reach(z, dz)))
        x, z, level = x + step * dx, z + step * dz, level + step * raised
    return x


def _reach(x: keras.KerasTensor, dx: keras.KerasTensor) -> keras.KerasTensor:
    """How many steps `dx` lead from x > 0 to the nearest bound, over the last axis."""
    ops = keras.ops
    steps = ops.where(dx < 0, -x / ops.where(dx < 0, dx, -1), np.inf)
    return ops.min(steps, axis=-1, keepdims=True)
