"""Convex problems over a few weights of tasks, solved in the graph by primal-dual Newton steps.

Fixed numbers of steps, static shapes and no branches, so that XLA can compile them; in float64,
which costs nothing at these sizes.
"""

from __future__ import annotations

from collections.abc import Callable

from models.lazy import keras

Derivatives = Callable[
    ["keras.KerasTensor", "keras.KerasTensor"], "tuple[keras.KerasTensor, keras.KerasTensor]"
]
"""From x [n] and a positive scalar to the gradient [n] and the Hessian [n, n] of a convex function.

The scalar goes to 0 as x goes to the solution: how far a function with kinks may round them.
"""

STEPS = 20
CENTERING = 0.1
"""How much smaller the products of variables and multipliers become in a full step."""
WITHIN = 0.99
"""The share of the way to the nearest bound that a step may go."""

STEADY = 1e-10
"""Added to the diagonals of Newton's matrices, which may be singular; solutions do not move."""


def on_simplex(derivatives: Derivatives, members: keras.KerasTensor) -> keras.KerasTensor:
    """The x >= 0 [n] with `sum(members * x) = 1` at which a convex function is smallest.

    derivatives: see `Derivatives`. members: float64 [n], 1 or 0; the function does not depend on
        the others.
    """
    ops = keras.ops
    x = members / ops.maximum(ops.sum(members), 1) + (1 - members)
    gradient, _ = derivatives(x, ops.convert_to_tensor(1.0, "float64"))
    z = ops.ones_like(x) * ops.maximum(ops.max(ops.abs(gradient)), 1e-3)
    for _ in range(STEPS):
        products = x * z
        left = ops.mean(products)
        gradient, hessian = derivatives(x, left)
        aim = CENTERING * left / products
        sides = ops.stack([z * aim - gradient, members], -1)
        plain, shift = ops.unstack(ops.solve(hessian + ops.diag(z / x + STEADY), sides), axis=-1)
        level = (1 - ops.sum(members * (x + plain))) / ops.maximum(ops.sum(members * shift), 1e-30)
        dx = (plain + level * shift) / x
        x, z = _moved(x, dx, z, aim - 1 - dx)
    return x


def nonnegative(matrix: keras.KerasTensor, linear: keras.KerasTensor) -> keras.KerasTensor:
    """The x >= 0 [k, n] at which each `x[i] @ matrix @ x[i] / 2 + linear[i] @ x[i]` is smallest.

    matrix: float64 [n, n], positive semidefinite, about 1 on its diagonal. linear: float64 [k, n].
    """
    ops = keras.ops
    x, z = ops.ones_like(linear), ops.ones_like(linear)
    eye = ops.eye(matrix.shape[0], dtype="float64")
    steady = matrix + STEADY * eye
    for _ in range(STEPS):
        products = x * z
        aim = CENTERING * ops.mean(products, -1, keepdims=True) / products
        side = z * aim - ops.matmul(x, matrix) - linear
        dx = ops.solve(steady + eye * (z / x)[:, None], side[..., None])[..., 0] / x
        x, z = _moved(x, dx, z, aim - 1 - dx)
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
        off = ops.log(x / shares) / power + ops.log(z)
        side = z * (1 - off) - ops.matmul(matrix, x)
        dx = ops.solve(matrix + ops.diag(z / (power * x)), side[:, None])[:, 0] / x
        x, z = _moved(x, dx, z, -off - dx / power)
    return x


def _moved(
    x: keras.KerasTensor, dx: keras.KerasTensor, z: keras.KerasTensor, dz: keras.KerasTensor
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Both after a step, in shares of themselves, as far of it as leaves them positive; over the
    last axis.
    """
    ops = keras.ops
    falls = ops.min(ops.minimum(dx, dz), axis=-1, keepdims=True)
    step = -WITHIN / ops.minimum(falls, -WITHIN)
    return x * (1 + step * dx), z * (1 + step * dz)
