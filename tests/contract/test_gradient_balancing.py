"""The contract of gradient-based balancing methods, which are found by discovery."""

from __future__ import annotations

import numpy as np
import pytest

from models.balancing.base import Balancing, GradientBalancer, GradientBalancing, TaskGradients
from models.discovery import methods
from models.lazy import keras, tf
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask

pytestmark = pytest.mark.slow

METHODS = {
    name: method
    for name, method in methods("models.balancing", Balancing).items()
    if issubclass(method, GradientBalancing)
}
GRADIENTS = np.array([[1.0, 0.2, -0.5], [-0.8, 0.9, 0.1], [0.3, 0.3, 0.7]])
NO_CONFLICT = {"mgda", "upgrad", "dualproj", "nash_mtl", "fairgrad", "config", "imtl_g", "imtl"}
"""Methods whose update increases no task's loss to first order, if such an update exists."""

DIRECTED = {"pcd"}
"""Methods with a primary task, by default the first."""


def make(name: str, *weights: float) -> GradientBalancer:
    keras.utils.set_random_seed(5)
    tasks = (BinaryTask(name=f"t{i}", label="l", weight=w) for i, w in enumerate(weights))
    balancer = METHODS[name]().build(tuple(TaskTarget(task=t) for t in tasks))
    balancer.prepare(GRADIENTS.shape[1])
    return balancer


def combine(
    balancer: GradientBalancer, gradients: np.ndarray, present: list[float] | None = None
) -> np.ndarray:
    """The combined gradient [features] of gradients [tasks, features]."""
    tasks = len(gradients)
    there = np.ones(tasks) if present is None else np.array(present)
    g = np.asarray(gradients * there[:, None], np.float32)
    given = TaskGradients(
        tf.constant(0.5 * there, tf.float32),
        tf.constant(there, tf.float32),
        tf.constant(g[:, None]),
        tf.constant(g @ g.T),
        tf.ones((1, g.shape[1])),
    )
    combined, weights = balancer.combine(given)
    if weights is not None:
        np.testing.assert_allclose(np.asarray(weights) @ g, combined[0], rtol=1e-4, atol=1e-6)
    assert combined.dtype == tf.float32
    return np.asarray(combined)[0]


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_one_task_is_plain_training(self, name: str) -> None:
        for weight in (1.0, 3.0):
            found = combine(make(name, weight), GRADIENTS[:1])
            np.testing.assert_allclose(found, weight * GRADIENTS[0], rtol=1e-5)

    def test_equal_gradients_are_plain_training(self, name: str) -> None:
        gradients = np.repeat(GRADIENTS[:1], 3, 0)
        found = combine(make(name, 1, 1, 1), gradients)
        np.testing.assert_allclose(found, gradients.sum(0), rtol=1e-4)

    def test_the_order_of_tasks_does_not_matter(self, name: str) -> None:
        if name in DIRECTED:
            pytest.skip("it goes by the primary task, and that is the first here")
        first = combine(make(name, 1, 1), GRADIENTS[:2])
        np.testing.assert_allclose(combine(make(name, 1, 1), GRADIENTS[1::-1]), first, rtol=1e-5)

    def test_an_absent_task_takes_no_part(self, name: str) -> None:
        first = combine(make(name, 1, 1), GRADIENTS[:2])
        balancer = make(name, 1, 1, 1)
        before = [np.array(v) for v in balancer.variables]
        np.testing.assert_allclose(
            combine(balancer, GRADIENTS, [1, 1, 0]), first, rtol=1e-4, atol=1e-6
        )
        for variable, was in zip(balancer.variables, before, strict=True):
            if variable.dtype == "float32":
                np.testing.assert_array_equal(np.array(variable)[..., 2], was[..., 2])

    def test_no_gradients_and_no_tasks_are_finite(self, name: str) -> None:
        balancer = make(name, 1, 1, 1)
        for gradients, present in (
            (np.zeros((3, 3)), [1, 1, 1]),
            (GRADIENTS, [0, 0, 0]),
            (GRADIENTS * [[1], [1], [0]], [1, 1, 1]),
            (np.array([[1.0, 0, 0], [-1, 0, 0], [0, 0, 0]]), [1, 1, 1]),
            (GRADIENTS * [[1e-12], [1], [1e6]], [1, 1, 1]),
        ):
            assert np.all(np.isfinite(combine(balancer, gradients, present)))
        assert all(np.all(np.isfinite(np.array(v, np.float64))) for v in balancer.variables)

    def test_scaling_a_loss_does_not_change_the_direction(self, name: str) -> None:
        first = combine(make(name, 1, 1, 1), GRADIENTS)
        found = combine(make(name, 1, 1, 1), 1e-4 * GRADIENTS)
        np.testing.assert_allclose(found, 1e-4 * first, rtol=1e-4, atol=1e-9)

    def test_task_weights_have_the_scale_of_plain_training(self, name: str) -> None:
        first = combine(make(name, 1, 1, 1), GRADIENTS)
        np.testing.assert_allclose(combine(make(name, 2, 2, 2), GRADIENTS), 2 * first, rtol=1e-4)

    def test_a_larger_task_weight_pulls_harder(self, name: str) -> None:
        gradients = np.eye(3)
        if name in ("graddrop", "krum", "trimmed_mean"):
            pytest.skip("it keeps or drops gradients whole")
        if name in DIRECTED:
            pytest.skip("a larger weight is a larger share that is guaranteed: see its own tests")
        first, second, _ = combine(make(name, 1, 4, 1), gradients)
        assert second > 1.5 * first

    def test_its_state_is_in_keras_variables(self, name: str) -> None:
        assert all(isinstance(v, keras.Variable) for v in make(name, 1, 1).variables)

    def test_it_runs_in_a_graph(self, name: str) -> None:
        expected = combine(make(name, 1, 1, 1), GRADIENTS)
        balancer = make(name, 1, 1, 1)
        g = np.float32(GRADIENTS)

        @tf.function(input_signature=[tf.TensorSpec([3, None, 3])], autograph=False)
        def graph(gradients: tf.Tensor) -> tf.Tensor:
            ones = tf.ones(3)
            flat = tf.reshape(gradients, [3, -1])
            gramian = tf.matmul(flat, flat, transpose_b=True)
            given = TaskGradients(0.5 * ones, ones, gradients, gramian, tf.ones_like(gradients[0]))
            return balancer.combine(given)[0]

        np.testing.assert_allclose(graph(g[:, None])[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(NO_CONFLICT))
@pytest.mark.parametrize("tasks", [2, 5, 8])
def test_the_update_increases_no_tasks_loss(name: str, tasks: int) -> None:
    random = np.random.default_rng(tasks)
    for _ in range(3):
        gradients = random.normal(size=(tasks, 12)) + 0.1
        if name.startswith("imtl"):  # promised where the equal projections have a positive sum
            gradients[:, 0] += 2
        found = combine(make(name, *[1.0] * tasks), gradients)
        assert np.all(gradients @ found >= -1e-4 * np.linalg.norm(found))
