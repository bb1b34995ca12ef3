"""Balancing methods give two replicas, with half of the rows each, what one with all rows gets.

Methods are found by discovery. Two threads stand for the replicas here; tests/integration/
test_devices.py trains on real ones.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models.balancing.base import Balancing, GradientBalancer, GradientBalancing, TaskGradients
from models.discovery import methods
from models.lazy import Tensor, keras, tf
from models.multitask.replicas import part_of_half
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask

METHODS = {
    name: method
    for name, method in methods("models.balancing", Balancing).items()
    if issubclass(method, GradientBalancing)
}
TASKS, ROWS, FEATURES = 3, 6, 4
GRADIENTS = np.random.default_rng(0).normal(size=(2, TASKS, ROWS, FEATURES)).astype(np.float32)
PRESENT = np.array([1, 1, 0], np.float32)


class Sums:
    """Adds up what two threads bring."""

    def __init__(self) -> None:
        self.barrier, self.brought = threading.Barrier(2, timeout=30), [np.zeros(())] * 2

    def of(self, replica: int, x: Tensor) -> Tensor:
        self.brought[replica] = np.asarray(x)
        self.barrier.wait()
        total = self.brought[0] + self.brought[1]
        self.barrier.wait()
        return tf.constant(total)


def made(name: str) -> GradientBalancer:
    keras.utils.set_random_seed(3)
    targets = tuple(TaskTarget(task=BinaryTask(name=f"t{i}", label="l")) for i in range(TASKS))
    balancer = METHODS[name]().build(targets)
    balancer.prepare(FEATURES)
    return balancer


def steps(balancer: GradientBalancer, rows: slice, over_replicas=lambda x: x) -> list[np.ndarray]:  # type: ignore[no-untyped-def]
    """What a replica with these rows computes in each step."""
    found = []
    for whole in GRADIENTS * PRESENT[:, None, None]:
        flat = whole.reshape(TASKS, -1)
        given = TaskGradients(
            losses=tf.constant(0.5 * PRESENT),
            present=tf.constant(PRESENT),
            gradients=tf.constant(whole[:, rows]),
            gramian=tf.constant(flat @ flat.T),
            representation=tf.constant(np.cos(GRADIENTS[0, 0, rows])),
            over_replicas=over_replicas,
        )
        found.append(np.asarray(balancer.combine(given)[0]))
    return found


@pytest.mark.parametrize("name", METHODS)
def test_two_replicas_compute_what_one_computes(name: str) -> None:
    one, both, sums = made(name), [made(name), made(name)], Sums()
    expected = steps(one, slice(None))

    def replica(i: int) -> list[np.ndarray]:
        return steps(both[i], slice(i, None, 2), lambda x: sums.of(i, x))

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(replica, range(2)))
    for i, (part, balancer) in enumerate(zip(parts, both, strict=True)):
        for found, whole in zip(part, expected, strict=True):
            np.testing.assert_allclose(found, whole[i::2], rtol=1e-5, atol=1e-6)
        for found, whole, other in zip(
            balancer.variables, one.variables, both[0].variables, strict=True
        ):
            np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("rows", [1, 5, 8])
@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_replicas_agree_on_the_halves_of_a_batch(rows: int, replicas: int) -> None:
    half = rows // 2
    for number in range(replicas):
        own = np.arange(rows)[number::replicas]
        assert part_of_half(half, replicas, number) == np.sum(own < half)
