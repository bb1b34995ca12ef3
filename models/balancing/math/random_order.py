"""Random orders in which each task is compared with the others, one by one."""

from __future__ import annotations

from models.lazy import Tensor, keras


def random_orders(tasks: int, random: keras.random.SeedGenerator) -> list[Tensor]:
    """One float64 matrix [tasks, tasks] per round. In row i, the task that task i is compared with
    in this round is 1 and all others are 0. The row is all 0 in the round of task i itself.
    """
    ops = keras.ops
    orders = ops.argsort(keras.random.uniform((tasks, tasks), seed=random), axis=-1)
    partners = ops.one_hot(orders, tasks, axis=1, dtype="float64")
    not_itself = 1 - ops.eye(tasks, dtype="float64")
    rounds: list[Tensor] = ops.unstack(partners * not_itself[:, :, None], axis=-1)
    return rounds
