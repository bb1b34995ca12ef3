"""State of balancing methods: variables with one number per task."""

from __future__ import annotations

from models.lazy import Tensor, keras

SMALLEST = 1e-6
"""Lower bound of learned weights, and of numbers that are divided by."""


def task_variables(tasks: int, *names: str, value: float = 0.0) -> list[keras.Variable]:
    """One float32 variable [tasks] per name, filled with `value`, that no optimizer trains."""
    return [
        keras.Variable(keras.ops.full((tasks,), value), trainable=False, name=name)
        for name in names
    ]


def keep_sum(before: Tensor, after: Tensor, present: Tensor) -> Tensor:
    """Updated positive weights [tasks], scaled so that the present tasks' weights keep their sum;
    absent tasks keep their weight.
    """
    ops = keras.ops
    after = ops.maximum(after, SMALLEST)
    factor = ops.sum(present * before) / ops.maximum(ops.sum(present * after), SMALLEST)
    return ops.where(present > 0, after * factor, before)
