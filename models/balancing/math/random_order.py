"""The order in which each task meets the others, for methods that go through them one by one."""

from __future__ import annotations

from models.lazy import keras


def random_orders(tasks: int, random: keras.random.SeedGenerator) -> list[keras.KerasTensor]:
    """One float64 [tasks, tasks] for each turn: row i is 1 at the task that task i meets then, and
    0 elsewhere; all 0 when it would meet itself.
    """
    ops = keras.ops
    orders = ops.argsort(keras.random.uniform((tasks, tasks), seed=random), axis=-1)
    met = ops.one_hot(orders, tasks, axis=1, dtype="float64")
    others = 1 - ops.eye(tasks, dtype="float64")
    turns: list[keras.KerasTensor] = ops.unstack(met * others[:, :, None], axis=-1)
    return turns
