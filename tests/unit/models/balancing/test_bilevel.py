"""Auto-lambda, MOML and FORUM against exact solutions of bilevel problems; their look-ahead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from scipy import optimize

from models.balancing.base import Balancing, BilevelBalancer, Lookahead
from models.balancing.bilevel.auto_lambda import AutoLambda, AutoLambdaBalancer
from models.balancing.bilevel.forum import Forum, ForumBalancer
from models.balancing.bilevel.moml import MOML, MOMLBalancer
from models.lazy import tf
from models.multitask.batch_losses import batch_losses
from models.multitask.lookahead import BatchLookahead
from tests.unit.models.balancing.steps import targets
from tests.unit.models.balancing.test_base_in_training import X, Y, make_model

pytestmark = pytest.mark.slow


class Quadratic(Lookahead):
    """Losses |A w - b|² / 2 by half and task, whose derivatives are known; w is at 0."""

    learning_rate = np.float32(0.05)

    def __init__(
        self, tasks: int, seed: int, present: list[float] | None = None, width: int = 4
    ) -> None:
        rng = np.random.default_rng(seed)
        self.a = rng.normal(size=(2, tasks, 6, width))
        self.b = rng.normal(size=(2, tasks, 6))
        self.present = np.ones(tasks) if present is None else np.array(present)
        self.w = np.zeros(width)

    def losses(self, half: int) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.constant(self.values(half, self.w), tf.float32), tf.constant(
            self.present, tf.float32
        )

    def task_gradients(self, half: int) -> tf.Tensor:
        return tf.constant(self.exact(half, self.w), tf.float32)

    def gradient(self, half: int, weights: tf.Tensor) -> tf.Tensor:
        return tf.constant(np.asarray(weights) @ self.exact(half, self.w), tf.float32)

    @contextmanager
    def shifted(self, by: tf.Tensor) -> Iterator[None]:
        before = self.w
        self.w = before + np.asarray(by, np.float64)
        yield
        self.w = before

    def values(self, half: int, w: np.ndarray) -> np.ndarray:
        rest = self.a[half] @ w - self.b[half]
        return np.asarray(self.present * np.sum(rest**2, -1) / 2)

    def exact(self, half: int, w: np.ndarray) -> np.ndarray:
        rest = self.a[half] @ w - self.b[half]
        return self.present[:, None] * np.einsum("tij,ti->tj", self.a[half], rest)

    def derivatives(self, weights: np.ndarray) -> np.ndarray:
        """[judged tasks, weights]: of half 1's losses after a step on half 0, by the weights."""
        steps = self.exact(0, self.w)
        after = self.w - self.learning_rate * weights @ steps
        return -self.learning_rate * self.exact(1, after) @ steps.T


@pytest.mark.parametrize("tasks", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("primary", [(), ("t0",)], ids=["all", "first"])
def test_auto_lambda_goes_down_the_derivative(tasks: int, primary: tuple[str, ...]) -> None:
    balancer = AutoLambda(primary=primary, learning_rate=0.1).build(targets(*[1.0] * tasks))
    assert isinstance(balancer, AutoLambdaBalancer)
    learned = np.ones(tasks)
    for seed in range(3):
        lookahead = Quadratic(tasks, seed)
        counts = np.array([not primary or f"t{i}" in primary for i in range(tasks)], float)
        slope = counts @ lookahead.derivatives(learned)
        moved = np.maximum(learned - 0.1 * slope / np.mean(np.abs(slope)), 1e-6)
        learned = moved * learned.sum() / moved.sum()
        balancer.update_weights(lookahead)
        np.testing.assert_allclose(balancer.learned.numpy(), learned, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("tasks", [1, 2, 3, 5, 8])
def test_moml_goes_down_the_shortest_combination(tasks: int) -> None:
    balancer = MOML(learning_rate=0.3).build(targets(*[1.0] * tasks))
    assert isinstance(balancer, MOMLBalancer)
    logits = np.zeros(tasks)
    for seed in range(3):
        lookahead = Quadratic(tasks, seed)
        share = np.exp(logits) / np.exp(logits).sum()
        by_logit = lookahead.derivatives(tasks * share) @ (np.diag(share) - np.outer(share, share))
        length = np.linalg.norm(by_logit, axis=1, keepdims=True)
        rows = np.divide(by_logit, length, out=np.zeros_like(by_logit), where=length > 1e-12)
        found, _ = optimize.nnls(
            np.vstack([rows.T, 1e3 * np.ones(tasks)]), np.append(np.zeros(tasks), 1e3)
        )
        logits = logits - 0.3 * found @ rows
        balancer.update_weights(lookahead)
        np.testing.assert_allclose(balancer.logits.numpy(), logits, atol=3e-3)


@pytest.mark.parametrize("tasks", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("rho", [0.1, 2.0])
def test_forum_goes_down_all_losses_and_nearer_to_what_can_be_reached(
    tasks: int, rho: float
) -> None:
    method = Forum(rho=rho, inner_rate=0.01, inner_steps=3, learning_rate=0.2)
    balancer = method.build(targets(*[1.0] * tasks))
    assert isinstance(balancer, ForumBalancer)
    logits, averaged = np.zeros(tasks), np.zeros(tasks)
    for step in range(3):
        lookahead = Quadratic(tasks, step, width=12)
        share = np.exp(logits) / np.exp(logits).sum()
        w = lookahead.w
        for _ in range(3):
            w = w - 0.01 * share @ lookahead.exact(0, w)
        gap = lookahead.values(0, lookahead.w) - lookahead.values(0, w)
        lower = np.append(
            (np.diag(share) - np.outer(share, share)) @ gap, share @ lookahead.exact(0, lookahead.w)
        )
        length = np.linalg.norm(lookahead.exact(1, lookahead.w), axis=1)
        judged = np.hstack(
            [np.zeros((tasks, tasks)), lookahead.exact(1, lookahead.w) / length[:, None]]
        )
        rows = np.vstack([judged, lower])
        gramian, linear = rows @ rows.T, np.append(np.zeros(tasks), -rho * np.sum(lower**2))

        found = optimize.minimize(
            lambda x, g=gramian, c=linear: x @ g @ x / 2 + c @ x,
            np.append(np.ones(tasks) / tasks, 0.0),
            jac=lambda x, g=gramian, c=linear: g @ x + c,
            bounds=[(0, None)] * (tasks + 1),
            constraints={"type": "eq", "fun": lambda x: x[:-1].sum() - 1},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        ).x
        averaged = averaged + (step + 1) ** -0.75 * (found[:-1] - averaged)
        push = max(rho - averaged @ judged @ lower / np.sum(lower**2), 0.0)
        if step == 0:
            assert push == pytest.approx(found[-1], abs=1e-4)
        balancer.update_weights(lookahead)
        np.testing.assert_allclose(balancer.averaged.numpy(), averaged, atol=2e-3)
        np.testing.assert_allclose(
            balancer.learned.numpy(), averaged / length + push * share, rtol=1e-2, atol=1e-4
        )
        slope = push * lower[:tasks]
        if np.abs(slope).mean() > 1e-9:
            logits = logits - 0.2 * slope / np.abs(slope).mean()
        np.testing.assert_allclose(balancer.logits.numpy(), logits, atol=5e-3)


BILEVEL = [AutoLambda(), MOML(), Forum(rho=2.0)]


@pytest.mark.parametrize("method", BILEVEL, ids=lambda m: m.name)
def test_absent_tasks_keep_their_state(method: Balancing) -> None:
    balancer = method.build(targets(*[1] * 6))
    assert isinstance(balancer, BilevelBalancer)
    balancer.update_weights(Quadratic(6, 0))
    before = balancer.variables[0].numpy()
    balancer.update_weights(Quadratic(6, 3, present=[1, 0, 1, 1, 1, 1]))
    moved = np.abs(balancer.variables[0].numpy() - before)
    assert moved[1] == 0
    assert np.delete(moved, 1).min() > 1e-5


def test_a_useless_task_loses_its_weight() -> None:
    balancer = AutoLambda(primary=("t0",), learning_rate=0.2).build(targets(1, 1, 1))
    assert isinstance(balancer, AutoLambdaBalancer)
    for seed in range(60):
        lookahead = Quadratic(3, seed)
        lookahead.a[1], lookahead.b[1] = lookahead.a[0], lookahead.b[0]  # rows of one kind
        lookahead.a[:, 1], lookahead.b[:, 1] = (
            lookahead.a[:, 0],
            -lookahead.b[:, 0],
        )  # against the first
        balancer.update_weights(lookahead)
    first, against, _ = balancer.learned.numpy()
    assert against < 0.5 < 1 < first


def test_a_lookahead_sees_halves_of_a_batch() -> None:
    model = make_model(AutoLambda())
    x, y = ({n: tf.constant(v) for n, v in part.items()} for part in (X, Y))
    lookahead = BatchLookahead(model, x, y)
    rows = ({n: v[6:] for n, v in part.items()} for part in (x, y))
    features, labels = rows
    outputs = model.towers(model.represent(features))
    expected = batch_losses(model.heads, labels, outputs, model.members)
    found, present = lookahead.losses(1)
    np.testing.assert_allclose(found, expected.losses, rtol=1e-6)
    np.testing.assert_array_equal(present, [1, 1, 0])
    weights = tf.constant([1.0, 2.0, 3.0])
    each = lookahead.task_gradients(0)
    np.testing.assert_allclose(
        lookahead.gradient(0, weights), tf.linalg.matvec(each, weights, transpose_a=True), atol=1e-6
    )


@pytest.mark.parametrize("method", BILEVEL, ids=lambda m: m.name)
def test_in_a_compiled_step_the_lookahead_moves_the_weights_and_puts_them_back(
    method: Balancing,
) -> None:
    model, eager = make_model(method), make_model(method)
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(12)
    x, y = ({n: tf.constant(v) for n, v in part.items()} for part in (X, Y))
    for _ in range(3):
        model.fit(data, epochs=1, verbose=0, shuffle=False)
        eager.train_step((x, y))
    for v, e in zip(model.weights, eager.weights, strict=True):
        np.testing.assert_allclose(v, e, atol=1e-5)
    state, expected = (m.balancer.variables[0].numpy() for m in (model, eager))
    np.testing.assert_allclose(state, expected, atol=1e-4)
    if isinstance(method, AutoLambda):  # two tasks that each want all weight: MOML stays
        assert state[0] != state[1]
