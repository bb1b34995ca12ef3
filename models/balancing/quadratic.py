"""Convex problems over a few weights of tasks, solved in the graph by primal-dual Newton steps.

Fixed numbers of steps, static shapes and no branches, so that XLA can compile them; in float64,
which costs nothing at these sizes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.lazy import keras

Derivatives = Callable[["keras.KerasTensor"], "tuple[keras.KerasTensor, keras.KerasTensor]"]
"""From x [n] to the gradient [n] and the Hessian [n, n] of a convex function."""

STEPS = 20
CENTERING = 0.1
"""How much smaller the products of variables and multipliers become in a full step."""
WITHIN = 0.99
"""The share of the way to the nearest bound that a step may go."""

STEADY = 1e-10
"""Added to the diagonals of Newton's matrices, which may be singular; solutions do not move."""


def on_simplex(derivatives: Derivatives, members: keras.KerasTensor) -> keras.KerasTensor:
    """The x >= 0 [n] with `sum(members * x) = 1` at which a convex function is smallest.

    derivatives: from x [n] to the function's gradient [n] and Hessian [n, n]. members: float64 [n],
        1 or 0; the function does not depend on the others.
    """
    ops = keras.ops
    x = members / ops.maximum(ops.sum(members), 1) + (1 - members)
    gradient, _ = derivatives(x)
    z = ops.ones_like(x) * ops.maximum(ops.max(ops.abs(gradient)), 1e-3)
    level = ops.min(gradient)
    for _ in range(STEPS):
        gradient, hessian = derivatives(x)
        aim = CENTERING * ops.mean(x * z) / x
        sides = ops.stack([aim - gradient + level * members, members], -1)
        plain, shift = ops.unstack(ops.solve(hessian + ops.diag(z / x + STEADY), sides), axis=-1)
        give = ops.sum(members * shift)
        raised = ops.where(give > 0, (1 - ops.sum(members * (x + plain))) / give, 0)
        dx = plain + raised * shift
        dz = aim - z - z / x * dx
        step = _reach(x, dx, z, dz)
        x, z, level = x + step * dx, z + step * dz, level + step * raised
    return x


def nonnegative(matrix: keras.KerasTensor, linear: keras.KerasTensor) -> keras.KerasTensor:
    """The x >= 0 [k, n] at which each `x[i] @ matrix @ x[i] / 2 + linear[i] @ x[i]` is smallest.

    matrix: float64 [n, n], positive semidefinite, about 1 on its diagonal. linear: float64 [k, n].
    """
    ops = keras.ops
    x, z = ops.ones_like(linear), ops.ones_like(linear)
    eye = ops.eye(matrix.shape[0], dtype="float64")
    for _ in range(STEPS):
        aim = CENTERING * ops.mean(x * z, -1, keepdims=True) / x
        side = aim - ops.matmul(x, matrix) - linear
        dx = ops.solve(matrix + eye * (z / x + STEADY)[:, None], side[..., None])[..., 0]
        dz = aim - z - z / x * dx
        step = _reach(x, dx, z, dz)
        x, z = x + step * dx, z + step * dz
    return x


def proportionally_fair(
    matrix: keras.KerasTensor, shares: keras.KerasTensor, power: float
) -> keras.KerasTensor:
    """The x > 0 [n] with `x * (matrix @ x) ** power = shares`.

    matrix: float64 [n, n], positive definite. shares: float64 [n], positive.
    """
    ops = keras.ops
    x = z = shares ** (1 / (1 + power))
    for _ in range(STEPS):
        off = (ops.log(x) + power * ops.log(z) - ops.log(shares)) / power
        side = z - ops.matmul(matrix, x) - z * off
        dx = ops.solve(matrix + ops.diag(z / (power * x)), side)
        dz = -z * (off + dx / (power * x))
        step = _reach(x, dx, z, dz)
        x, z = x + step * dx, z + step * dz
    return x


def _reach(
    x: keras.KerasTensor, dx: keras.KerasTensor, z: keras.KerasTensor, dz: keras.KerasTensor
) -> keras.KerasTensor:
    """The longest step, at most 1, that leaves x and z positive, over the last axis."""
    ops = keras.ops
    falls = ops.minimum(dx / x, dz / z)
    fall = ops.max(-falls, axis=-1, keepdims=True)
    return ops.minimum(1.0, ops.where(fall > 0, WITHIN / ops.where(fall > 0, fall, 1), np.inf))
