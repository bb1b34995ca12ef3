"""Mean losses of the current epoch, for methods that compare epochs."""

from __future__ import annotations

from models.balancing.math.state import task_variables
from models.lazy import Tensor, keras


class EpochMeans:
    """variables: [tasks] sums of the losses, and [tasks] steps in which each task was present."""

    def __init__(self, tasks: int) -> None:
        self.variables = task_variables(tasks, "epoch_losses", "epoch_steps")
        self.sums, self.steps = self.variables

    def add(self, losses: Tensor, present: Tensor) -> None:
        """Add the losses of one step: see `LossBalancer.__call__`."""
        self.sums.assign_add(present * losses)
        self.steps.assign_add(present)

    def take_and_reset(self) -> tuple[Tensor, Tensor]:
        """The means [tasks] (0 for tasks without a step) and whether each task had a step, bool
        [tasks]. Counting starts again.
        """
        steps = keras.ops.copy(self.steps)
        means = self.sums / keras.ops.maximum(steps, 1.0)
        for variable in self.variables:
            variable.assign(keras.ops.zeros_like(variable))
        return means, steps > 0
