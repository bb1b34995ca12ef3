"""Lengths and angles of the tasks' gradients."""

from __future__ import annotations

from dataclasses import dataclass

from models.lazy import keras

SHORTEST = 1e-10
"""Of gradients that point anywhere, beside 1 for the root mean square of them all."""

STATIONARY = 1e-6
"""Added to squared lengths, so that methods have a solution at Pareto stationary points too."""


@dataclass(frozen=True)
class Cosines:
    """All float64. Tasks without a gradient, absent ones among them, have norm 1 and are
    orthogonal to all others, so that solvers need no case for them.

    active: [tasks], 1 or 0 for tasks without a gradient. norms: [tasks]. matrix: [tasks, tasks].
    """

    active: keras.KerasTensor
    norms: keras.KerasTensor
    matrix: keras.KerasTensor


def cosines(gramian: keras.KerasTensor, present: keras.KerasTensor) -> Cosines:
    ops = keras.ops
    norms = ops.sqrt(ops.maximum(ops.diagonal(gramian), 0))
    active = present * ops.cast(norms > SHORTEST, "float64")
    norms = ops.where(active > 0, norms, 1)
    matrix = gramian / (norms[:, None] * norms) * (active[:, None] * active)
    return Cosines(active, norms, matrix + ops.diag(1 - active))
