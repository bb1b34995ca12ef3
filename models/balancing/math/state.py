"""State of balancing methods: variables with one number per task."""

from __future__ import annotations

from models.lazy import Tensor, keras

SMALLEST = 1e-6
"""Lower bound of learned weights, and of numbers that are divided by."""

TINY = 1e-8
"""Added to losses before their logarithm is taken, or something is divided by them."""


def task_variables(tasks: int, *names: str, value: float = 0.0) -> list[keras.Variable]:
    """One float32 variable [tasks] per name, filled with `value`, that no optimizer trains."""
    return [
        keras.Variable(keras.ops.full((tasks,), value), trainable=False, name=name)
        for name in names
    ]


def step_counts(count: int) -> keras.Variable:
    """int32 [count], how many steps were of some kind, for `Balancer.notes`."""
    return keras.Variable(keras.ops.zeros((count,), "int32"), trainable=False, name="counts")


def keep_sum(before: Tensor, after: Tensor, present: Tensor) -> Tensor:
    """Updated positive weights [tasks], scaled so that the present tasks' weights keep their sum;
    absent tasks keep their weight.
    """
    ops = keras.ops
    after = ops.maximum(after, SMALLEST)
    factor = ops.sum(present * before) / ops.maximum(ops.sum(present * after), SMALLEST)
    return ops.where(present > 0, after * factor, before)


class EpochMeans:
    """Mean losses of the current epoch, for methods that compare epochs.

    variables: [tasks] sums of the losses, and [tasks] steps in which each task was present.
    """

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
            variable.assign(keras.ops.zeros(variable.shape))
        return means, steps > 0
