"""Small convex problems over task weights, solved in the graph by primal-dual Newton steps.

Shapes are static, so XLA can compile the solvers. They run in float64, which costs nothing at these
sizes. Most problems take 8 to 16 steps; degenerate ones take more.
"""

from __future__ import annotations

from collections.abc import Callable

from models.lazy import Tensor, keras

Derivatives = Callable[["Tensor", "Tensor"], "tuple[Tensor, Tensor]"]
"""Maps x [n] and a positive scalar to the gradient [n] and Hessian [n, n] of a convex function.

The scalar goes to 0 as x approaches the solution. A function with kinks may smooth them by it.
"""
NewtonState = tuple["Tensor", "Tensor", "Tensor"]
"""x, its multipliers z, and the scalar duality gap (or another measure of the remaining error)."""

STEPS_PER_CHECK, MAX_CHECKS = 2, 24
"""Newton steps between two checks for convergence, and the largest number of checks."""
TOLERANCE = 1e-10
"""Converged when the products of variables and multipliers are below this; their scale is 1."""

CENTERING = 0.03
"""The factor by which a full step reduces these products."""
STEP_FRACTION = 0.99
"""The largest fraction of the distance to the nearest bound that a step may go."""

DAMPING = 1e-10
"""Added to the diagonal of Newton's matrices, which may be singular. It does not move solutions."""


def minimize_on_simplex(
    derivatives: Derivatives, members: Tensor, centering: float = CENTERING
) -> Tensor:
    """The minimiser x >= 0 [n] of a convex function subject to `sum(members * x) = 1`.

    members: float64 [n], 1 or 0; the function depends on the members only. centering: a larger
        (and slower) value is needed for functions that are not quadratic.
    """
    ops = keras.ops
    x = members / ops.maximum(ops.sum(members), 1) + (1 - members)
    gradient, _ = derivatives(x, ops.convert_to_tensor(1.0, "float64"))
    scale = ops.maximum(ops.max(ops.abs(gradient)), 1e-3)

    def step(x: Tensor, z: Tensor, gap: Tensor) -> NewtonState:
        products = x * z
        mean = ops.mean(products)
        gradient, hessian = derivatives(x, mean)
        gradient -= members * ops.sum(members * x * gradient)
        aim = centering * mean / products
        sides = ops.stack([z * aim - gradient, members], -1)
        plain, shift = ops.unstack(ops.solve(hessian + ops.diag(z / x + DAMPING), sides), axis=-1)
        level = (1 - ops.sum(members * (x + plain))) / ops.maximum(ops.sum(members * shift), 1e-30)
        dx = (plain + level * shift) / x
        return *_damped_step(x, dx, z, aim - 1 - dx), mean / scale

    return _iterate(step, x, ops.ones_like(x) * scale)


def minimize_nonnegative(matrix: Tensor, linear: Tensor) -> Tensor:
    """The minimisers x >= 0 [k, n] of the k problems `x[i] @ matrix @ x[i] / 2 + linear[i] @ x[i]`.

    matrix: float64 [n, n], positive semidefinite, about 1 on its diagonal. linear: float64 [k, n].
    """
    ops = keras.ops
    eye = ops.eye(matrix.shape[0], dtype="float64")
    damped = matrix + DAMPING * eye

    def step(x: Tensor, z: Tensor, gap: Tensor) -> NewtonState:
        products = x * z
        mean = ops.mean(products, -1, keepdims=True)
        aim = CENTERING * mean / products
        side = z * aim - ops.matmul(x, matrix) - linear
        dx = ops.solve(damped + eye * (z / x)[:, None], side[..., None])[..., 0] / x
        return *_damped_step(x, dx, z, aim - 1 - dx), ops.max(mean)

    return _iterate(step, ops.ones_like(linear), ops.ones_like(linear))


def solve_alpha_fair(matrix: Tensor, shares: Tensor, alpha: float) -> Tensor:
    """The x > 0 [n] with `x * (matrix @ x) ** alpha = shares`.

    matrix: float64 [n, n], positive definite. shares: float64 [n], positive.
    """
    ops = keras.ops

    def step(x: Tensor, z: Tensor, gap: Tensor) -> NewtonState:
        residual = ops.log(x / shares) / alpha + ops.log(z)
        side = z * (1 - residual) - ops.matmul(matrix, x)
        dx = ops.solve(matrix + ops.diag(z / (alpha * x)), side[:, None])[:, 0] / x
        return *_damped_step(x, dx, z, -residual - dx / alpha), ops.max(dx * dx)

    start = shares ** (1 / (1 + alpha))
    return _iterate(step, start, start)


def _iterate(step: Callable[[Tensor, Tensor, Tensor], NewtonState], x: Tensor, z: Tensor) -> Tensor:
    """X after steps until convergence."""

    def steps(*state: Tensor) -> NewtonState:
        x, z, gap = state
        for _ in range(STEPS_PER_CHECK):
            x, z, gap = step(x, z, gap)
        return x, z, gap

    gap = keras.ops.convert_to_tensor(1.0, "float64")
    final: NewtonState = keras.ops.while_loop(
        lambda x, z, gap: gap > TOLERANCE, steps, (x, z, gap), maximum_iterations=MAX_CHECKS
    )
    return final[0]


def _damped_step(x: Tensor, dx: Tensor, z: Tensor, dz: Tensor) -> tuple[Tensor, Tensor]:
    """X and z after the relative step dx, dz, shortened to keep both positive. The last axis is one
    problem.
    """
    ops = keras.ops
    largest_fall = ops.min(ops.minimum(dx, dz), axis=-1, keepdims=True)
    length = -STEP_FRACTION / ops.minimum(largest_fall, -STEP_FRACTION)
    return x * (1 + length * dx), z * (1 + length * dz)
