"""CR-MOGM: moving average of the task weights (Zhou et al. 2022, NeurIPS, "On the Convergence of
Stochastic Multi-Objective Gradient Manipulation and Beyond", algorithm 1).
"""

from __future__ import annotations

from models.balancing.base import GradientBalancer, GramianBalancer, TaskGradients
from models.balancing.math.state import task_variables
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


class Smoothed(GradientBalancer):
    """Averages the weights of a method over steps: w = smoothing * w + (1 - smoothing) * new. This
    reduces the bias of the combined gradient that the noise of a batch causes.

    averaged: [tasks]. steps: [tasks], steps with the task present; in the first one, w = new.
    """

    def __init__(
        self, method: GramianBalancer, smoothing: float, targets: tuple[TaskTarget, ...]
    ) -> None:
        super().__init__(targets)
        self.method, self.smoothing = method, smoothing
        self.averaged, self.steps = task_variables(self.num_tasks, "averaged", "steps")
        self.variables = [*method.variables, self.averaged, self.steps]

    def new_epoch(self) -> None:
        self.method.new_epoch()

    def notes(self) -> list[str]:
        return self.method.notes()

    def objective(self, losses: Tensor, present: Tensor) -> Tensor:
        return self.method.objective(losses, present)

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        _, new = self.method.combine(tasks)
        kept = ops.where(self.steps > 0, self.smoothing, 0.0)
        self.averaged.assign_add(tasks.present * (1 - kept) * (new - self.averaged))
        self.steps.assign_add(tasks.present)
        weights = tasks.present * self.averaged
        return tasks.weighted_sum(weights), weights
