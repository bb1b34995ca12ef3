"""Runs steps of a balancing method on given losses."""

from __future__ import annotations

import numpy as np

from models.balancing.base import Balancing, LossBalancer
from models.lazy import tf
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask


def targets(*weights: float) -> tuple[TaskTarget, ...]:
    """Tasks t0, t1, … with these weights."""
    return tuple(
        TaskTarget(task=BinaryTask(name=f"t{i}", label="l", weight=w))
        for i, w in enumerate(weights)
    )


def built(method: Balancing, *weights: float) -> LossBalancer:
    """A balancer for tasks of these weights."""
    balancer = method.build(targets(*weights))
    assert isinstance(balancer, LossBalancer)
    return balancer


def step(
    balancer: LossBalancer, losses: np.ndarray, present: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The scalar and its derivative by the losses [tasks]."""
    there = tf.constant(np.ones_like(losses) if present is None else present, tf.float32)
    values = tf.constant(losses, tf.float32) * there
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = balancer(values, there)
    return float(total), tape.gradient(total, values).numpy()
