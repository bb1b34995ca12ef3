"""CR-MOGM: weights averaged over steps (Zhou et al. 2022, NeurIPS, "On the Convergence of
Stochastic Multi-Objective Gradient Manipulation and Beyond", algorithm 1).
"""

from __future__ import annotations

from models.balancing.base import GradientBalancer, GramianBalancer, TaskGradients
from models.lazy import keras
from models.tasks.base import TaskTarget


class Smoothed(GradientBalancer):
    """A method whose weights change slowly: it keeps `smoothing` of those that a task had.

    The weights of one batch depend on the noise of its gradients, which biases what they make of
    those gradients; averaging undoes that. averaged: [tasks]. steps: [tasks], those in which a task
    was present; its first weight is taken as it is.
    """

    def __init__(
        self, method: GramianBalancer, smoothing: float, targets: tuple[TaskTarget, ...]
    ) -> None:
        super().__init__(targets)
        self.method, self.smoothing = method, smoothing
        self.averaged, self.steps = (
            keras.Variable(keras.ops.zeros((len(targets),)), trainable=False, name=name)
            for name in ("averaged", "steps")
        )
        self.variables = [*method.variables, self.averaged, self.steps]

    def new_epoch(self) -> None:
        self.method.new_epoch()

    def objective(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        return self.method.objective(losses, present)

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        ops = keras.ops
        _, new = self.method.combine(tasks)
        kept = ops.where(self.steps > 0, self.smoothing, 0.0)
        self.averaged.assign_add(tasks.present * (1 - kept) * (new - self.averaged))
        self.steps.assign_add(tasks.present)
        weights = tasks.present * self.averaged
        return ops.tensordot(weights, tasks.gradients, 1), weights
