"""MGDA (Désidéri 2012; Sener and Koltun 2018, NeurIPS, arXiv:1810.04650, equation 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.newton import minimize_on_simplex
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class MGDA(GramianBalancing):
    """The min-norm point of the convex hull of the tasks' gradients: to first order no task's loss
    rises. Its norm, 0 at a Pareto stationary point, is part of the method.

    Solved to convergence, where the paper uses the Frank-Wolfe algorithm. At the representation it
    is the paper's MGDA-UB, whose fixed points are Pareto stationary too (theorem 1). A task's
    weight divides its gradient first, so that tasks improve at rates proportional to their weights.
    The weights sum to the same value as in plain training.
    """

    name: Literal["mgda"] = "mgda"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return MGDABalancer(targets)


class MGDABalancer(GramianBalancer):
    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        task_weights = self.task_weights("float64")
        scaled = gramian / (task_weights[:, None] * task_weights)
        weights = minimize_on_simplex(lambda x, _: (ops.matmul(scaled, x), scaled), present)
        weights *= present / task_weights
        return weights * ops.sum(present * task_weights) / ops.sum(weights)
