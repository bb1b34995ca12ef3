"""The contract of loss-based balancing methods, which are found by discovery."""

from __future__ import annotations

import numpy as np
import pytest

from models.balancing.base import Balancing, GradientBalancing, LossBalancer
from models.balancing.loss_based.equal import Equal
from models.balancing.loss_based.uncertainty import Uncertainty
from models.discovery import methods
from models.lazy import keras, tf
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.regression import RegressionTask

METHODS = {
    name: method
    for name, method in methods("models.balancing", Balancing).items()
    if not issubclass(method, GradientBalancing)
}
DRAWN = {"rlw"}
"""Methods with random weights; their own tests check what holds on average."""


def targets(*weights: float) -> tuple[TaskTarget, ...]:
    return tuple(
        TaskTarget(task=BinaryTask(name=f"t{i}", label="l", weight=w))
        for i, w in enumerate(weights)
    )


def gradients(
    balancer: LossBalancer, losses: list[float], present: list[float]
) -> tuple[float, np.ndarray, list[np.ndarray]]:
    """The scalar and its derivatives by losses and by the method's trainable variables."""
    values = tf.constant(losses, tf.float32)
    trained = [v.value for v in balancer.variables if v.trainable]
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = balancer(values, tf.constant(present, tf.float32))
    by_loss, by_variable = tape.gradient(total, (values, trained))
    return float(total), by_loss.numpy(), [g.numpy() for g in by_variable]


@pytest.mark.parametrize("name", sorted(METHODS.keys() - DRAWN))
class TestEveryMethodThatDrawsNoWeights:
    def test_the_order_of_tasks_does_not_matter(self, name: str) -> None:
        order = [2, 0, 1]
        weights, losses, present = [1.0, 2.0, 3.0], [0.5, 1.5, 4.0], [1.0, 1.0, 0.0]
        first = gradients(METHODS[name]().build(targets(*weights)), losses, present)
        second = gradients(
            METHODS[name]().build(targets(*[weights[i] for i in order])),
            [losses[i] for i in order],
            [present[i] for i in order],
        )
        assert first[0] == pytest.approx(second[0])
        np.testing.assert_allclose(first[1][order], second[1], rtol=1e-6)

    def test_a_larger_task_weight_pulls_harder(self, name: str) -> None:
        balancer = METHODS[name]().build(targets(1, 4))
        _, by_loss, _ = gradients(balancer, [0.8, 0.8], [1, 1])
        assert by_loss[1] == pytest.approx(4 * by_loss[0])


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_an_absent_task_takes_no_part(self, name: str) -> None:
        balancer = METHODS[name]().build(targets(1, 1))
        total, by_loss, by_variable = gradients(balancer, [0.7, 0.0], [1, 0])
        alone, *_ = gradients(METHODS[name]().build(targets(1)), [0.7], [1])
        assert total == pytest.approx(alone)
        assert by_loss[1] == 0
        assert all(g[1] == 0 for g in by_variable if g.shape == (2,))

    @pytest.mark.parametrize("present", [0.0, 1.0])
    def test_zero_losses_are_finite(self, name: str, present: float) -> None:
        found = gradients(METHODS[name]().build(targets(1, 1)), [0.0, 0.0], [present] * 2)
        for value in (found[0], found[1], *found[2]):
            assert np.all(np.isfinite(value))

    def test_its_state_is_in_keras_variables(self, name: str) -> None:
        assert all(
            isinstance(v, keras.Variable) for v in METHODS[name]().build(targets(1)).variables
        )


def test_equal_sums_or_averages_the_tasks_present() -> None:
    given = ([0.5, 1.5, 9.0], [1.0, 1.0, 0.0])
    assert gradients(Equal().build(targets(1, 1, 1)), *given)[0] == 2.0
    assert gradients(Equal(reduction="mean").build(targets(1, 1, 1)), *given)[0] == 1.0


def test_equal_with_one_task_is_plain_training() -> None:
    for reduction in ("sum", "mean"):
        balancer = Equal(reduction=reduction).build(targets(1))  # type: ignore[arg-type]
        total, by_loss, _ = gradients(balancer, [0.3], [1])
        assert (total, by_loss[0]) == (pytest.approx(0.3), 1)


def test_uncertainty_follows_the_paper() -> None:
    """exp(-s) L + s/2 for classification, exp(-s) L/2 + s/2 for a squared error."""
    tasks = (
        TaskTarget(task=BinaryTask(name="a", label="l")),
        TaskTarget(task=RegressionTask(name="b", label="l")),
        TaskTarget(task=RegressionTask(name="c", label="l", loss="huber")),
    )
    balancer = Uncertainty().build(tasks)
    s, losses, scales = np.array([0.3, -1.0, 2.0]), np.array([0.6, 2.0, 0.4]), np.array([1, 0.5, 1])
    balancer.variables[0].assign(s)
    total, by_loss, (by_s,) = gradients(balancer, list(losses), [1, 1, 1])
    assert total == pytest.approx(np.sum(scales * np.exp(-s) * losses + s / 2), rel=1e-6)
    np.testing.assert_allclose(by_loss, scales * np.exp(-s), rtol=1e-6)
    np.testing.assert_allclose(by_s, -scales * np.exp(-s) * losses + 0.5, rtol=1e-5)


def test_uncertainty_settles_where_the_derivative_by_s_is_zero() -> None:
    """exp(s) = 2 L for classification, whatever the task's weight."""
    balancer = Uncertainty().build(targets(3.0))
    (s,) = balancer.variables
    for _ in range(150):
        s.assign_sub(0.3 * gradients(balancer, [0.2], [1])[2][0])
    assert float(np.exp(s.numpy()[0])) == pytest.approx(0.4, rel=1e-3)
