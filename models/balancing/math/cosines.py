"""Norms of the tasks' gradients, and the cosines between them."""

from __future__ import annotations

from dataclasses import dataclass

from models.lazy import Tensor, keras

SMALLEST_NORM = 1e-10
"""A gradient below this norm counts as zero, when the root mean square of all norms is 1."""

STATIONARY = 1e-6
"""Added to squared norms, so that methods have a solution at Pareto stationary points too."""


@dataclass(frozen=True)
class Cosines:
    """Norms and cosines, all float64.

    A task without a gradient (absent, or at a stationary point) has norm 1 and is orthogonal to all
    others, so that solvers need no special case.

    active: [tasks], 1 for tasks with a gradient, else 0. norms: [tasks]. matrix: [tasks, tasks].
    """

    active: Tensor
    norms: Tensor
    matrix: Tensor

    def regularized(self) -> Tensor:
        """The matrix plus `STATIONARY` on its diagonal: positive definite."""
        return self.matrix + keras.ops.diag(STATIONARY * keras.ops.ones_like(self.active))


def cosines(gramian: Tensor, present: Tensor) -> Cosines:
    """The cosines of the gradients. Arguments: see `GramianBalancer.weights`."""
    ops = keras.ops
    norms = ops.sqrt(ops.maximum(ops.diagonal(gramian), 0))
    active = present * ops.cast(norms > SMALLEST_NORM, "float64")
    norms = ops.where(active > 0, norms, 1)
    matrix = gramian / (norms[:, None] * norms) * (active[:, None] * active)
    return Cosines(active, norms, matrix + ops.diag(1 - active))
