"""Convex problems over a few weights of tasks, solved in the graph by primal-dual Newton steps.

Static shapes, so that XLA can compile them; in float64, which costs nothing at these sizes. Most
problems take 8 to 16 steps; degenerate ones more.
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
Variables = tuple["keras.KerasTensor", "keras.KerasTensor", "keras.KerasTensor"]
"""x, its multipliers, and a scalar that says how far off they are."""

BLOCK, BLOCKS = 2, 24
"""Steps between two looks at whether they suffice, and how many times as many at most."""
ENOUGH = 1e-10
"""The products of variables and multipliers, beside 1, before the last step."""

CENTERING = 0.03
"""How much smaller these products become in a full step."""
WITHIN = 0.99
"""The share of the way to the nearest bound that a step may go."""

STEADY = 1e-10
"""Added to the diagonals of Newton's matrices, which may be singular; solutions do not move."""


def on_simplex(
    derivatives: Derivatives, members: keras.KerasTensor, centering: float = CENTERING
) -> keras.KerasTensor:
    """The x >= 0 [n] with `sum(members * x) = 1` at which a convex function is smallest.

    derivatives: see `Derivatives`. members: float64 [n], 1 or 0; the function does not depend on
        the others. centering: larger, and slower, for functions that are not quadratic.
    """
    ops = keras.ops
    x = members / ops.maximum(ops.sum(members), 1) + (1 - members)
    gradient, _ = derivatives(x, ops.convert_to_tensor(1.0, "float64"))
    size = ops.maximum(ops.max(ops.abs(gradient)), 1e-3)

    def step(x: keras.KerasTensor, z: keras.KerasTensor, off: keras.KerasTensor) -> Variables:
        products = x * z
        left = ops.mean(products)
        gradient, hessian = derivatives(x, left)
        gradient -= members * ops.sum(members * x * gradient)
        aim = centering * left / products
        sides = ops.stack([z * aim - gradient, members], -1)
        plain, shift = ops.unstack(ops.solve(hessian + ops.diag(z / x + STEADY), sides), axis=-1)
        level = (1 - ops.sum(members * (x + plain))) / ops.maximum(ops.sum(members * shift), 1e-30)
        dx = (plain + level * shift) / x
        return *_moved(x, dx, z, aim - 1 - dx), left / size

    return _solution(step, x, ops.ones_like(x) * size)


def nonnegative(matrix: keras.KerasTensor, linear: keras.KerasTensor) -> keras.KerasTensor:
    """The x >= 0 [k, n] at which each `x[i] @ matrix @ x[i] / 2 + linear[i] @ x[i]` is smallest.

    matrix: float64 [n, n], positive semidefinite, about 1 on its diagonal. linear: float64 [k, n].
    """
    ops = keras.ops
    eye = ops.eye(matrix.shape[0], dtype="float64")
    steady = matrix + STEADY * eye

    def step(x: keras.KerasTensor, z: keras.KerasTensor, off: keras.KerasTensor) -> Variables:
        products = x * z
        left = ops.mean(products, -1, keepdims=True)
        aim = CENTERING * left / products
        side = z * aim - ops.matmul(x, matrix) - linear
        dx = ops.solve(steady + eye * (z / x)[:, None], side[..., None])[..., 0] / x
        return *_moved(x, dx, z, aim - 1 - dx), ops.max(left)

    return _solution(step, ops.ones_like(linear), ops.ones_like(linear))


def proportionally_fair(
    matrix: keras.KerasTensor, shares: keras.KerasTensor, power: float
) -> keras.KerasTensor:
    """The x > 0 [n] with `x * (matrix @ x) ** power = shares`.

    matrix: float64 [n, n], positive definite. shares: float64 [n], positive.
    """
    ops = keras.ops

    def step(x: keras.KerasTensor, z: keras.KerasTensor, off: keras.KerasTensor) -> Variables:
        miss = ops.log(x / shares) / power + ops.log(z)
        side = z * (1 - miss) - ops.matmul(matrix, x)
        dx = ops.solve(matrix + ops.diag(z / (power * x)), side[:, None])[:, 0] / x
        return *_moved(x, dx, z, -miss - dx / power), ops.max(dx * dx)

    start = shares ** (1 / (1 + power))
    return _solution(step, start, start)


def _solution(
    step: Callable[[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor], Variables],
    x: keras.KerasTensor,
    z: keras.KerasTensor,
) -> keras.KerasTensor:
    """After enough steps: x."""

    def block(*variables: keras.KerasTensor) -> Variables:
        x, z, off = variables
        for _ in range(BLOCK):
            x, z, off = step(x, z, off)
        return x, z, off

    off = keras.ops.convert_to_tensor(1.0, "float64")
    found: Variables = keras.ops.while_loop(
        lambda x, z, off: off > ENOUGH, block, (x, z, off), maximum_iterations=BLOCKS
    )
    return found[0]


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
