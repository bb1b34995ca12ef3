"""SDMGrad, MoDo, MoCo and PCD against their papers' formulas in NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from models.balancing.base import GradientBalancer, TaskGradients
from models.balancing.gradient_based.moco import MoCo
from models.balancing.gradient_based.modo import MoDo
from models.balancing.gradient_based.pcd import PCD
from models.balancing.gradient_based.sdmgrad import SDMGrad
from models.balancing.math.simplex import project_onto_simplex
from models.lazy import tf
from tests.unit.models.balancing.steps import targets

random = np.random.default_rng(1)
PROBLEMS = {
    "two in conflict": np.array([[1.0, 0.2, 0.1], [-0.7, 0.4, 0.3]]),
    "two that agree": np.array([[1.0, 0.2, 0.1], [0.7, 0.4, 0.3]]),
    "three, one without gradient": np.array([[1.0, 0, 0.5], [0, 0, 0], [-0.5, 1, 0]]),
    "five in conflict": random.normal(size=(5, 20)),
    "eight, badly scaled": random.normal(size=(8, 30)) * np.logspace(-1, 1, 8)[:, None],
}
on_problems = pytest.mark.parametrize("gradients", PROBLEMS.values(), ids=PROBLEMS.keys())


def nearest_on_simplex(y: np.ndarray) -> np.ndarray:
    """By bisection on the threshold; the method itself sorts."""
    threshold = optimize.brentq(lambda t: np.maximum(y - t, 0).sum() - 1, y.min() - 1, y.max())
    return np.maximum(y - threshold, 0)


def given(gradients: np.ndarray, present: np.ndarray | None = None) -> TaskGradients:
    there = np.ones(len(gradients)) if present is None else present
    g = gradients * there[:, None]
    tensors = (0.5 * there, there, g[:, None], g @ g.T)
    return TaskGradients(*(tf.constant(t, tf.float32) for t in tensors), None)


def step(balancer: GradientBalancer, tasks: TaskGradients) -> tuple[np.ndarray, np.ndarray]:
    combined, weights = balancer.combine(tasks)
    return np.asarray(combined)[0], np.asarray(weights)


def relative(gramian: np.ndarray) -> np.ndarray:
    return gramian / np.mean(np.diag(gramian))


@pytest.mark.parametrize("size", [1, 2, 7])
def test_projections_are_the_nearest_points(size: int) -> None:
    for scale in (0.01, 1, 100):
        y = scale * random.normal(size=size)
        found = project_onto_simplex(tf.constant(y), tf.ones(size, tf.float64))
        np.testing.assert_allclose(found, nearest_on_simplex(y), atol=1e-8 * scale)


def test_a_projection_leaves_others_out() -> None:
    found = project_onto_simplex(
        tf.constant([3.0, -5.0, 2.8, 9.0]), tf.constant([1.0, 1.0, 1.0, 0.0])
    )
    np.testing.assert_allclose(found, [0.6, 0, 0.4, 0], atol=1e-6)


@on_problems
@pytest.mark.parametrize("towards", [0.0, 0.3, 5.0])
def test_sdmgrad_is_the_shortest_directed_combination(
    gradients: np.ndarray, towards: float
) -> None:
    tasks = len(gradients)
    found, _ = step(SDMGrad(towards=towards).build(targets(*[1.0] * tasks)), given(gradients))
    mean = gradients.mean(0)
    solved = optimize.minimize(
        lambda w: np.sum((w @ gradients + towards * mean) ** 2),
        np.full(tasks, 1 / tasks),
        bounds=[(0, 1)] * tasks,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    expected = tasks * (solved.x @ gradients + towards * mean) / (1 + towards)
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(gradients).max())


@on_problems
def test_modo_takes_projected_steps(gradients: np.ndarray) -> None:
    tasks = len(gradients)
    balancer = MoDo(learning_rate=0.3, decay=0.1).build(targets(*[1.0] * tasks))
    learned = np.full(tasks, 1 / tasks)
    for scale in (1, 0.5, 2, 1):
        g = scale * gradients + 0.1 * random.normal(size=gradients.shape)
        learned = nearest_on_simplex(learned - 0.3 * (relative(g @ g.T) @ learned + 0.1 * learned))
        found, weights = step(balancer, given(g))
        np.testing.assert_allclose(weights, tasks * learned, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found, tasks * learned @ g, rtol=1e-3, atol=1e-4)


@on_problems
def test_moco_at_parameters_follows_averaged_gradients(gradients: np.ndarray) -> None:
    tasks = len(gradients)
    method = MoCo(at="parameters", learning_rate=0.3, decay=0.05)
    balancer = method.build(targets(*[1.0] * tasks))
    balancer.prepare(gradients.shape[1])
    learned, y = np.full(tasks, 1 / tasks), np.zeros_like(gradients)
    for t in range(1, 5):
        g = gradients + 0.1 * random.normal(size=gradients.shape)
        y += (0.5 / np.sqrt(t) if t > 1 else 1) * (g - y)
        slope = relative(y @ y.T) @ learned + 0.05 * learned
        learned = nearest_on_simplex(learned - 0.3 / np.sqrt(t) * slope)
        found, _ = step(balancer, given(g))
        np.testing.assert_allclose(found, tasks * learned @ y, rtol=1e-3, atol=1e-4)


@on_problems
def test_moco_at_the_representation_averages_inner_products(gradients: np.ndarray) -> None:
    tasks = len(gradients)
    balancer = MoCo(learning_rate=0.3).build(targets(*[1.0] * tasks))
    learned, products = np.full(tasks, 1 / tasks), np.zeros((tasks, tasks))
    for t in range(1, 5):
        g = gradients + 0.1 * random.normal(size=gradients.shape)
        products += (0.5 / np.sqrt(t) if t > 1 else 1) * (g @ g.T - products)
        learned = nearest_on_simplex(learned - 0.3 / np.sqrt(t) * relative(products) @ learned)
        found, weights = step(balancer, given(g))
        np.testing.assert_allclose(weights, tasks * learned, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found, tasks * learned @ g, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", [MoDo(), MoCo(), MoCo(at="parameters")], ids=str)
def test_absent_tasks_keep_their_state(method: MoDo | MoCo) -> None:
    gradients = PROBLEMS["five in conflict"]
    balancer = method.build(targets(*[1.0] * 5))
    balancer.prepare(gradients.shape[1])
    step(balancer, given(gradients))
    before = [np.array(v)[..., 3] for v in balancer.variables]
    _, weights = step(balancer, given(-gradients, np.array([1.0, 1, 0, 0, 1])))
    assert weights[3] == 0
    for old, v in zip(before, balancer.variables, strict=True):
        np.testing.assert_array_equal(np.array(v)[..., 3], old)


def constrained(g: np.ndarray, primary: int, share: float) -> np.ndarray:
    """The point nearest to a row that makes a share of the others' own progress for each; or that
    row, if there is none.
    """
    others = np.delete(g, primary, 0)
    others = others[np.any(others != 0, 1)]
    needed = share * np.sum(others**2, 1)
    if not len(others):
        return np.asarray(g[primary])
    found = optimize.minimize(
        lambda d: np.sum((d - g[primary]) ** 2) / 2,
        g[primary],
        jac=lambda d: d - g[primary],
        constraints={"type": "ineq", "fun": lambda d: others @ d - needed, "jac": lambda d: others},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return np.asarray(found.x if found.success else g[primary])


@pytest.mark.slow
@on_problems
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_pcd_is_the_nearest_that_leaves_no_task_behind(gradients: np.ndarray, share: float) -> None:
    tasks = len(gradients)
    balancer = PCD(primary="t0", share=share, beta=0.5).build(targets(*[1.0] * tasks))
    squares = np.zeros(tasks)
    for number in (1, 2, 3):
        g = gradients * random.uniform(0.5, 2, size=(tasks, 1))
        squares = 0.5 * squares + 0.5 * np.sum(g**2, 1)
        scale = np.sqrt(squares / (1 - 0.5**number))[:, None]
        normal = np.divide(g, scale, out=np.zeros_like(g), where=scale > 0)
        d = constrained(normal, 0, share)
        expected = tasks * np.linalg.norm(g[0]) * d / np.linalg.norm(d)
        found, weights = step(balancer, given(g))
        np.testing.assert_allclose(found, expected, atol=2e-4 * tasks * np.linalg.norm(g[0]))
        np.testing.assert_allclose(weights @ g, found, atol=1e-5)


def test_pcd_drops_constraints_that_cannot_all_hold() -> None:
    g = np.array([[1.0, 0.2, 0], [0, 1, 0.5], [0, -1, -0.5]])
    found, _ = step(PCD(share=0.3).build(targets(1.0, 1.0, 1.0)), given(g))
    np.testing.assert_allclose(found, 3 * g[0], atol=1e-5)


def test_pcd_without_its_primary_task() -> None:
    g = np.array([[1.0, 0.2, 0], [0, 1, 0.5], [0.3, -1, 0]])
    balancer = PCD(primary="t0").build(targets(1.0, 1.0, 2.0))
    found, _ = step(balancer, given(g, np.array([0.0, 1, 1])))
    np.testing.assert_allclose(found, g[1] + 2 * g[2], atol=1e-6)
    assert balancer.variables[0].numpy()[0] == 0
    still, _ = step(balancer, given(g * [[0.0], [1], [1]]))
    np.testing.assert_array_equal(still, 0)


def test_pcd_asks_for_more_where_a_task_weighs_more() -> None:
    g = np.array([[1.0, 0], [-0.5, 1]])
    along = [
        float(step(PCD(share=0.1).build(targets(1.0, weight)), given(g))[0] @ g[1])
        for weight in (1.0, 3.0)
    ]
    assert 0 < along[0] < along[1]
