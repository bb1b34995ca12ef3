"""Mean losses of the epoch that is running, for methods that look back over epochs."""

from __future__ import annotations

from models.lazy import keras


class EpochMeans:
    """variables: [tasks] sums of the losses, and in how many steps each task was present."""

    def __init__(self, tasks: int) -> None:
        self.sums, self.steps = (
            keras.Variable(keras.ops.zeros((tasks,)), trainable=False, name=name)
            for name in ("epoch_losses", "epoch_steps")
        )
        self.variables = [self.sums, self.steps]

    def add(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> None:
        """Count a step: see `LossBalancer.__call__`."""
        self.sums.assign_add(present * losses)
        self.steps.assign_add(present)

    def take(self) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """The means [tasks], 0 for tasks without a step; whether each had one, bool [tasks]; and
        begin anew.
        """
        steps = keras.ops.copy(self.steps)
        means = self.sums / keras.ops.maximum(steps, 1.0)
        for variable in self.variables:
            variable.assign(keras.ops.zeros_like(variable))
        return means, steps > 0
