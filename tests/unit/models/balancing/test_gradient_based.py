"""Each method against the formulas of its paper, computed in NumPy and SciPy on whole gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.balancing.gradient_based.aligned_mtl import AlignedMTL
from models.balancing.gradient_based.cagrad import CAGrad
from models.balancing.gradient_based.config import ConFIG
from models.balancing.gradient_based.dualproj import DualProj
from models.balancing.gradient_based.fairgrad import FairGrad
from models.balancing.gradient_based.graddrop import GradDrop
from models.balancing.gradient_based.gradnorm import GradNorm
from models.balancing.gradient_based.gradvac import GradVac
from models.balancing.gradient_based.imtl import IMTL
from models.balancing.gradient_based.imtl_g import IMTLG
from models.balancing.gradient_based.krum import Krum
from models.balancing.gradient_based.mgda import MGDA
from models.balancing.gradient_based.nash_mtl import NashMTL
from models.balancing.gradient_based.pcgrad import PCGrad
from models.balancing.gradient_based.trimmed_mean import TrimmedMean
from models.balancing.gradient_based.upgrad import UPGrad
from models.lazy import keras, tf
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask

random = np.random.default_rng(0)
PROBLEMS = {
    "two in conflict": np.array([[1.0, 0.2, 0.1], [-0.7, 0.4, 0.3]]),
    "two that agree": np.array([[1.0, 0.2, 0.1], [0.7, 0.4, 0.3]]),
    "two of very different lengths": np.array([[30.0, 5.0, 1.0], [-0.02, 0.03, 0.01]]),
    "five in conflict": random.normal(size=(5, 20)),
    "eight, some very long": random.normal(size=(8, 30)) * np.logspace(-1, 1, 8)[:, None] + 0.2,
}
on_problems = pytest.mark.parametrize("problem", PROBLEMS)


def build(method: GradientBalancing, tasks: int) -> GradientBalancer:
    keras.utils.set_random_seed(5)
    named = (BinaryTask(name=f"t{i}", label="l") for i in range(tasks))
    return method.build(tuple(TaskTarget(task=t) for t in named))


def combine(
    balancer: GradientBalancer, gradients: np.ndarray, losses: np.ndarray | None = None
) -> np.ndarray:
    g = np.float32(gradients)
    ones = tf.ones(len(g))
    given = TaskGradients(
        ones if losses is None else tf.constant(losses, tf.float32),
        ones,
        tf.constant(g[:, None]),
        tf.constant(g @ g.T),
        tf.ones((1, g.shape[1])),
    )
    return np.asarray(balancer.combine(given)[0])[0]


def mgda(g: np.ndarray) -> np.ndarray:
    x, _ = optimize.nnls(np.vstack([g.T, np.ones(len(g))]), np.append(np.zeros(g.shape[1]), 1))
    return len(g) * (x / x.sum()) @ g


def on_dual_cone(d: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The nearest vector without a negative inner product with any row of g (Moreau)."""
    units = g / np.linalg.norm(g, axis=1, keepdims=True)
    return d + units.T @ optimize.nnls(units.T, -d)[0]


def upgrad(g: np.ndarray) -> np.ndarray:
    return sum(on_dual_cone(row, g) for row in g)


def dualproj(g: np.ndarray) -> np.ndarray:
    return on_dual_cone(g.sum(0), g)


def cagrad(g: np.ndarray, c: float = 0.5) -> np.ndarray:
    tasks, mean = len(g), g.mean(0)
    radius = c * np.linalg.norm(mean)
    unit = np.abs(g).max()

    def objective(w: np.ndarray) -> float:
        return float((w @ g @ mean + radius * np.linalg.norm(w @ g)) / unit**2)

    found = min(
        (
            optimize.minimize(
                objective,
                start,
                bounds=[(0, 1)] * tasks,
                constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
                options={"ftol": 1e-14, "maxiter": 1000},
            )
            for start in (np.full(tasks, 1 / tasks), *(0.9 * np.eye(tasks) + 0.1 / tasks))
        ),
        key=lambda r: r.fun,
    ).x
    towards = found @ g
    return tasks * (mean + radius * towards / np.linalg.norm(towards)) / (1 + c)


def imtl_g(g: np.ndarray) -> np.ndarray:
    units = g / np.linalg.norm(g, axis=1, keepdims=True)
    d, u = g[:1] - g[1:], units[:1] - units[1:]
    rest = g[0] @ u.T @ np.linalg.inv(d @ u.T)
    return len(g) * np.append(1 - rest.sum(), rest) @ g


def fair(g: np.ndarray, alpha: float) -> np.ndarray:
    """FairGrad's equation as that of the lowest point of a convex function; alpha 1 is Nash-MTL's.

    In units in which every task alone would have weight 1.
    """
    unit = np.linalg.norm(g, axis=1) ** (-2 * alpha / (1 + alpha))
    power = 1 - 1 / alpha

    def slope(v: np.ndarray) -> np.ndarray:
        w = v * unit
        return unit * (g @ (w @ g) - w ** (-1 / alpha))

    def value(v: np.ndarray) -> float:
        w = v * unit
        utility = np.log(w) if alpha == 1 else w**power / power
        return float((w @ g) @ (w @ g) / 2 - utility.sum())

    scale = np.abs(slope(np.full(len(g), 2.0))).max()
    found = optimize.minimize(
        lambda v: value(v) / scale,
        np.ones(len(g)),
        jac=lambda v: slope(v) / scale,
        method="trust-constr",
        bounds=optimize.Bounds(1e-6, np.inf, keep_feasible=True),
        options={"gtol": 1e-12, "xtol": 1e-12, "barrier_tol": 1e-12, "maxiter": 3000},
    )
    w = found.x * unit
    return len(g) * w / w.sum() @ g


def aligned_mtl(g: np.ndarray) -> np.ndarray:
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    return s.min() * (u @ vt).sum(0)


def config(g: np.ndarray) -> np.ndarray:
    units = g / np.linalg.norm(g, axis=1, keepdims=True)
    direction = np.linalg.pinv(units) @ np.ones(len(g))
    direction /= np.linalg.norm(direction)
    return (g @ direction).sum() * direction


def trimmed_mean(g: np.ndarray) -> np.ndarray:
    ordered = np.sort(g, axis=0)
    return len(g) * (ordered[1:-1] if len(g) > 2 else ordered).mean(0)


def krum(g: np.ndarray) -> np.ndarray:
    distances = np.sort(((g[:, None] - g) ** 2).sum(-1), axis=1)
    scores = distances[:, 1 : 1 + max(len(g) - 3, 1)].sum(1)
    return len(g) * g[np.isclose(scores, scores.min(), rtol=1e-12)].mean(0)


@pytest.mark.slow
@on_problems
@pytest.mark.parametrize(
    ("method", "formula"),
    [
        (MGDA(), mgda),
        (UPGrad(), upgrad),
        (DualProj(), dualproj),
        (CAGrad(), cagrad),
        (IMTLG(), imtl_g),
        (NashMTL(), lambda g: fair(g, 1)),
        (FairGrad(alpha=1), lambda g: fair(g, 1)),
        (FairGrad(), lambda g: fair(g, 2)),
        (FairGrad(alpha=0.5), lambda g: fair(g, 0.5)),
        (AlignedMTL(), aligned_mtl),
        (ConFIG(), config),
        (TrimmedMean(), trimmed_mean),
        (Krum(), krum),
    ],
)
def test_it_is_the_formula_of_the_paper(
    problem: str, method: GradientBalancing, formula: Callable[[np.ndarray], np.ndarray]
) -> None:
    g = PROBLEMS[problem]
    expected = formula(g)
    found = combine(build(method, len(g)), g)
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.linalg.norm(expected))


def orders(balancer: GradientBalancer, tasks: int) -> np.ndarray:
    """The random numbers that the method will draw next."""
    state = balancer.random.state  # type: ignore[attr-defined]
    before = np.array(state)
    drawn = keras.random.uniform((tasks, tasks), seed=balancer.random)  # type: ignore[attr-defined]
    state.assign(before)
    return np.argsort(drawn, axis=-1)


@on_problems
def test_pcgrad_is_algorithm_1(problem: str) -> None:
    g = PROBLEMS[problem]
    balancer = build(PCGrad(), len(g))
    for _ in range(2):
        expected = np.zeros(g.shape[1])
        for i, order in enumerate(orders(balancer, len(g))):
            projected = g[i].copy()
            for j in order:
                if j != i and projected @ g[j] < 0:
                    projected -= projected @ g[j] / (g[j] @ g[j]) * g[j]
            expected += projected
        found = combine(balancer, g)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.linalg.norm(expected))


@on_problems
def test_gradvac_is_algorithm_1(problem: str) -> None:
    g = PROBLEMS[problem]
    balancer = build(GradVac(decay=0.3), len(g))
    average = np.zeros((len(g), len(g)))
    for step in range(3):
        now = g + 0.3 * step * g[::-1]
        expected = np.zeros(g.shape[1])
        for i, order in enumerate(orders(balancer, len(g))):
            turned = now[i].copy()
            for j in order:
                if j == i:
                    continue
                norm, other = np.linalg.norm(turned), np.linalg.norm(now[j])
                cosine, goal = turned @ now[j] / (norm * other), average[i, j]
                if cosine < goal:
                    by = goal * np.sqrt(1 - cosine**2) - cosine * np.sqrt(1 - goal**2)
                    turned += norm * by / (other * np.sqrt(1 - goal**2)) * now[j]
                average[i, j] = 0.7 * goal + 0.3 * cosine
            expected += turned
        found = combine(balancer, now)
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.linalg.norm(expected))


@on_problems
def test_graddrop_is_algorithm_1(problem: str) -> None:
    g = np.float32(PROBLEMS[problem])
    balancer = build(GradDrop(), len(g))
    state = balancer.random.state  # type: ignore[attr-defined]
    before = np.array(state)
    drawn = np.asarray(keras.random.uniform(g.shape[1:], seed=balancer.random))  # type: ignore[attr-defined]
    state.assign(before)
    purity = (1 + g.sum(0) / np.abs(g).sum(0)) / 2
    kept = ((purity > drawn) & (g > 0)) | ((purity < drawn) & (g < 0))
    np.testing.assert_allclose(combine(balancer, g), (g * kept).sum(0), rtol=1e-5, atol=1e-6)


def test_graddrop_keeps_one_sign_of_a_feature_over_the_whole_batch() -> None:
    balancer = build(GradDrop(), 2)
    gradients = random.normal(size=(2, 6, 4)).astype(np.float32)
    values = random.normal(size=(6, 4)).astype(np.float32)
    flat = gradients.reshape(2, -1)
    found, _ = balancer.combine(
        TaskGradients(tf.ones(2), tf.ones(2), gradients, tf.constant(flat @ flat.T), values)
    )
    signs = np.sign((np.sign(values) * gradients).sum(1))
    for feature in range(4):
        kept = {
            which: (gradients[list(which)].sum(0)[:, feature] if which else np.zeros(6))
            for which in [(), (0,), (1,), (0, 1)]
        }
        possible = [
            kept[tuple(i for i in range(2) if signs[i, feature] == sign)] for sign in (-1, 1)
        ]
        assert any(np.allclose(found[:, feature], p, atol=1e-6) for p in possible)


def test_gradnorm_descends_the_gradient_of_its_loss() -> None:
    """The step of each weight is the derivative of L_grad with the goals held fixed."""
    g = PROBLEMS["five in conflict"]
    balancer = build(GradNorm(alpha=0.7, learning_rate=0.05), 5)
    learned = balancer.variables[0]
    norms = np.linalg.norm(g, axis=1)
    w, first = np.ones(5), np.array([1.0, 2.0, 0.5, 1.0, 4.0])
    for step in range(4):
        losses = first * np.array([1.0, 0.9, 0.7, 0.5, 0.8]) ** step
        found = combine(balancer, g, losses)
        np.testing.assert_allclose(found, w @ g, rtol=1e-4, atol=1e-5)
        lag = losses / first / (losses / first).mean()
        goal = (w * norms).mean() * lag**0.7

        def loss(v: np.ndarray, goal: np.ndarray = goal) -> float:
            return float(np.abs(v * norms - goal).sum())

        w = w - 0.05 * optimize.approx_fprime(w, loss, 1e-7) / norms.mean()
        w *= 5 / w.sum()
        np.testing.assert_allclose(learned, w, rtol=1e-4)


@pytest.mark.slow
def test_gradnorm_makes_norms_equal_where_no_task_lags() -> None:
    g = PROBLEMS["eight, some very long"][2:6]
    balancer = build(GradNorm(alpha=0, learning_rate=0.02), 4)
    for _ in range(400):
        combine(balancer, g)
    norms = np.asarray(balancer.variables[0]) * np.linalg.norm(g, axis=1)
    assert norms.max() < 1.2 * norms.min()


def test_imtl_scales_losses_before_it_combines_gradients() -> None:
    g = PROBLEMS["five in conflict"]
    balancer = build(IMTL(), 5)
    s = np.array([0.5, -1.0, 0.2, 0.0, 1.0], np.float32)
    balancer.variables[0].assign(s)
    expected = imtl_g(np.exp(s)[:, None] * g)
    np.testing.assert_allclose(combine(balancer, g), expected, rtol=2e-3, atol=1e-3)
    losses = tf.constant([0.5, 1.0, 2.0, 3.0, 0.1])
    with tf.GradientTape() as tape:
        tape.watch(losses)
        objective = balancer.objective(losses, tf.ones(5))
    by_loss, by_scale = tape.gradient(objective, (losses, balancer.variables[0].value))
    assert float(objective) == pytest.approx(np.sum(np.exp(s) * losses - s), rel=1e-5)
    np.testing.assert_allclose(by_loss, np.exp(s), rtol=1e-5)
    np.testing.assert_allclose(by_scale, np.exp(s) * losses - 1, rtol=1e-4, atol=1e-6)


@on_problems
def test_cagrad_helps_the_worst_task_no_less_than_the_sum_does(problem: str) -> None:
    g = PROBLEMS[problem]
    found = combine(build(CAGrad(), len(g)), g) * 1.5
    total = g.sum(0)
    assert (g @ found).min() >= (g @ total).min() - 1e-4 * np.linalg.norm(g, axis=1).max() ** 2
    assert np.linalg.norm(found - total) == pytest.approx(0.5 * np.linalg.norm(total), rel=1e-3)


@pytest.mark.parametrize(("tasks", "seed"), [(8, 24), (8, 50), (8, 66), (16, 49), (32, 16)])
def test_cagrad_where_even_weights_nearly_cancel(tasks: int, seed: int) -> None:
    """Many gradients in a plane: no update as near to their sum helps the worst-off task more."""
    g = np.random.default_rng(seed).normal(size=(tasks, 2))
    found = combine(build(CAGrad(), len(g)), g) * 1.5
    total = g.sum(0)
    radius = 0.5 * np.linalg.norm(total)
    assert np.linalg.norm(found - total) <= radius * 1.001
    angles = np.linspace(0, 2 * np.pi, 100_001)
    within = total + radius * np.stack([np.cos(angles), np.sin(angles)], -1)
    assert (g @ found).min() >= (within @ g.T).min(-1).max() - 1e-3 * radius


@on_problems
def test_mgda_is_pareto_descent(problem: str) -> None:
    """Every product with a task's gradient is at least the squared length of the shortest."""
    g = PROBLEMS[problem]
    shortest = combine(build(MGDA(), len(g)), g) / len(g)
    assert (g @ shortest).min() >= shortest @ shortest * (1 - 1e-3) - 1e-6


@pytest.mark.parametrize("method", [IMTLG(), IMTL(), IMTLG(smoothing=0.5)], ids=str)
def test_imtl_g_never_increases_all_losses(method: GradientBalancing) -> None:
    """The paper's weights sum to less than 0 here."""
    g = np.array([[0.004, 0.022, -0.045], [0.048, 0.139, -0.079], [0.121, -0.443, -0.328]])
    assert (g @ imtl_g(g)).max() < 0
    balancer = build(method, 3)
    update = combine(balancer, g)
    projections = g @ update / np.linalg.norm(g, axis=1)
    assert projections.min() > 0
    np.testing.assert_allclose(projections, projections.mean(), rtol=1e-3)
    (note,) = balancer.notes()
    assert "in 1 of 1 steps the paper's weights would have increased all losses" in note


def test_imtl_g_says_nothing_where_it_is_the_papers() -> None:
    balancer = build(IMTLG(), 2)
    combine(balancer, PROBLEMS["two in conflict"])
    assert balancer.notes() == []


@pytest.mark.slow
def test_imtl_g_is_bounded_where_the_weights_sum_to_nothing() -> None:
    for angle in np.linspace(0, np.pi, 30):
        g = random.normal(size=(3, 3)) * np.array([[1e-2], [1], [np.cos(angle)]])
        weights = combine(build(IMTLG(), 3), g)
        assert np.linalg.norm(weights) <= 31 * np.linalg.norm(g, axis=1).max()


def test_aligned_mtl_warns_of_parallel_gradients() -> None:
    """The update shrinks to a thousandth before an eigenvalue counts as 0."""
    sizes, notes = [], []
    for off in (1.0, 3e-3, 0.0):
        balancer = build(AlignedMTL(), 2)
        update = combine(balancer, np.array([[1.0, 0.0], [1.0, off]]))
        sizes.append(np.linalg.norm(update))
        notes.append(" ".join(balancer.notes()))
    assert sizes[0] > 0.5 > 5e-3 > sizes[1]
    assert sizes[2] > 1
    assert notes[0] == ""
    assert "parallel within rounding in 0 of 1 steps, and nearly so in 1" in notes[1]
    assert "parallel within rounding in 1 of 1 steps, and nearly so in 0" in notes[2]
