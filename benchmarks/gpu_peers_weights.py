"""Weights of tasks from inner products of their gradients, in NumPy: the formulas of
`models.balancing.gradient_based`, for a peer that solves on the CPU.

Each function maps float32 [tasks, tasks] to float64 [tasks]. All tasks are present, with weight 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RNG = np.random.default_rng(0)
Array = Any


def _scaled(gramian: Array) -> Array:
    gramian = gramian.astype(np.float64)
    mean = np.trace(gramian) / len(gramian)
    return gramian / (mean if mean > 0 else 1.0)


def _minimum_on_simplex(
    derivatives: Callable[..., tuple[Array, Array]], n: int, centering: float
) -> Array:
    """`models.balancing.math.newton.minimize_on_simplex`, with every member."""
    x, ones = np.full(n, 1 / n), np.ones(n)
    scale = max(np.abs(derivatives(x, 1.0)[0]).max(), 1e-3)
    z = ones * scale
    for _ in range(48):
        products = x * z
        mean = products.mean()
        gradient, hessian = derivatives(x, mean)
        gradient = gradient - x @ gradient
        aim = centering * mean / products
        sides = np.stack([z * aim - gradient, ones], -1)
        plain, shift = np.linalg.solve(hessian + np.diag(z / x + 1e-10), sides).T
        level = (1 - (x + plain).sum()) / max(shift.sum(), 1e-30)
        dx = (plain + level * shift) / x
        dz = aim - 1 - dx
        length = 0.99 / max(-min(dx.min(), dz.min()), 0.99)
        x, z = x * (1 + length * dx), z * (1 + length * dz)
        if mean / scale <= 1e-10:
            break
    return x


def pcgrad(gramian: Array) -> Array:
    gramian, n = _scaled(gramian), len(gramian)
    coefficients, squares = np.eye(n), np.diag(gramian)
    inverses = np.where(squares > 0, 1 / np.where(squares > 0, squares, 1), 0)
    orders, rows = RNG.random((n, n)).argsort(-1), np.arange(n)
    for partners in orders.T:
        inner = np.einsum("ij,ij->i", coefficients, gramian[partners])
        step = np.minimum(inner, 0) * inverses[partners] * (partners != rows)
        coefficients[rows, partners] -= step
    return coefficients.sum(0)


def mgda(gramian: Array) -> Array:
    gramian, n = _scaled(gramian), len(gramian)
    x = _minimum_on_simplex(lambda x, _: (gramian @ x, gramian), n, 0.03)
    return x * n / x.sum()


def cagrad(gramian: Array, radius: float = 0.5) -> Array:
    gramian, n = _scaled(gramian), len(gramian)
    with_sum = gramian.sum(1)
    reach = radius * np.sqrt(max(with_sum.sum(), 0))

    def derivatives(x: Array, smoothing: float) -> tuple[Array, Array]:
        product = gramian @ x
        norm = np.sqrt(max(x @ product, 0) + smoothing)
        slope = product / norm
        return with_sum + reach * slope, reach / norm * (gramian - slope[:, None] * slope)

    shares = _minimum_on_simplex(derivatives, n, 0.2)
    norm = np.sqrt(max(shares @ gramian @ shares, 0) + 1e-14)
    return (1 + reach / norm * shares) / (1 + radius)


WEIGHTS = {"pcgrad": pcgrad, "mgda": mgda, "cagrad": cagrad}
