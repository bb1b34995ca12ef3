"""DB-MTL, ExcessMTL and CR-MOGM against their papers' formulas in NumPy, over several steps."""

from __future__ import annotations

import numpy as np
import pytest

from models.balancing.base import GradientBalancer, GramianBalancing, TaskGradients
from models.balancing.gradient_based.cagrad import CAGrad
from models.balancing.gradient_based.db_mtl import DBMTL, DBMTLBalancer
from models.balancing.gradient_based.excess_mtl import ExcessMTL, ExcessMTLBalancer
from models.balancing.gradient_based.gradnorm import GradNorm
from models.balancing.gradient_based.mgda import MGDA
from models.balancing.math.smoothing import Smoothed
from models.lazy import tf
from tests.unit.models.balancing.steps import targets

RNG = np.random.default_rng(0)
FEATURES, BATCH = 4, 6
SCALES = {
    "two": np.array([1.0, 1.0]),
    "far apart": np.array([1e-3, 1.0, 1e3]),
    "one without gradient": np.array([1.0, 0.0, 2.0]),
    "one": np.array([0.5]),
    "eight": RNG.uniform(0.1, 3, 8),
}
PROBLEMS = pytest.mark.parametrize("scales", SCALES.values(), ids=SCALES.keys())


def steps_of(scales: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Losses [tasks] and gradients [tasks, batch, features] of five steps."""
    size = (len(scales), BATCH, FEATURES)
    return [
        (RNG.uniform(0.1, 2, len(scales)), scales[:, None, None] * RNG.normal(size=size))
        for _ in range(5)
    ]


def weights_of(
    balancer: GradientBalancer,
    losses: np.ndarray,
    gradients: np.ndarray,
    present: np.ndarray | None = None,
) -> np.ndarray:
    """Weights [tasks]; checks that they give the combined gradient."""
    there = np.ones(len(losses)) if present is None else present
    given = there[:, None, None] * gradients
    flat = given.reshape(len(losses), -1)
    tensors = [losses * there, there, given, flat @ flat.T, np.ones((BATCH, FEATURES))]
    combined, weights = balancer.combine(
        TaskGradients(*(tf.constant(t, "float32") for t in tensors))
    )
    assert weights is not None
    expected = np.einsum("t,tbf->bf", np.asarray(weights, float), given)
    np.testing.assert_allclose(combined, expected, rtol=1e-3, atol=1e-5 * np.abs(given).max())
    return np.asarray(weights)


@pytest.mark.parametrize(("beta", "sigma"), [(0.0, 0.0), (0.9, 0.5)])
@PROBLEMS
def test_db_mtl_brings_log_gradients_to_one_length(
    scales: np.ndarray, beta: float, sigma: float
) -> None:
    balancer = DBMTL(beta=beta, sigma=sigma).build(targets(*[1.0] * len(scales)))
    squares = np.zeros(len(scales))
    for t, (losses, gradients) in enumerate(steps_of(scales), 1):
        new = np.sum((gradients / losses[:, None, None]) ** 2, (1, 2))
        kept = beta / t**sigma if t > 1 else 0
        squares = kept * squares + (1 - kept) * new
        lengths = np.sqrt(squares)
        directions = np.divide(1 / losses, lengths, out=np.zeros_like(losses), where=lengths > 0)
        expected = directions * np.max(losses * lengths)
        np.testing.assert_allclose(weights_of(balancer, losses, gradients), expected, rtol=1e-3)


def test_db_mtl_leaves_absent_tasks_alone() -> None:
    balancer = DBMTL().build(targets(1, 1))
    assert isinstance(balancer, DBMTLBalancer)
    (losses, gradients), (other_losses, other), *_ = steps_of(np.ones(2))
    weights_of(balancer, losses, gradients)
    before = balancer.squares.numpy()
    weights = weights_of(balancer, other_losses, other, np.array([1.0, 0.0]))
    assert weights[1] == 0
    assert balancer.squares.numpy()[1] == before[1]
    assert list(balancer.steps.numpy()) == [2, 1]


@PROBLEMS
def test_db_mtl_at_parameters_follows_averaged_directions(scales: np.ndarray) -> None:
    """Algorithm 1 of the paper, in units in which equal tasks give plain training."""
    balancer = DBMTL(at="parameters").build(targets(*[1.0] * len(scales)))
    balancer.prepare(BATCH * FEATURES)
    averages = np.zeros((len(scales), BATCH * FEATURES))
    for t, (losses, gradients) in enumerate(steps_of(scales), 1):
        flat = gradients.reshape(len(scales), -1)
        kept = 0.9 / np.sqrt(t) if t > 1 else 0
        averages = kept * averages + (1 - kept) * flat / losses[:, None]
        lengths = np.linalg.norm(averages, axis=1, keepdims=True)
        units = np.divide(averages, lengths, out=np.zeros_like(averages), where=lengths > 0)
        expected = np.max(losses * lengths[:, 0]) * units.sum(0)
        ones = np.ones(len(losses))
        tensors = (tf.constant(x, "float32") for x in (losses, ones, flat[:, None], flat @ flat.T))
        found, _ = balancer.combine(TaskGradients(*tensors, None))
        np.testing.assert_allclose(
            found[0], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
        )


@pytest.mark.parametrize("warmup", [1, 2])
@PROBLEMS
def test_excess_mtl_multiplies_by_the_exponentials_of_excess_risks(
    scales: np.ndarray, warmup: int
) -> None:
    tasks = len(scales)
    balancer = ExcessMTL(learning_rate=0.2, warmup_steps=warmup).build(targets(*[1.0] * tasks))
    balancer.prepare(FEATURES)
    learned, squares, first = np.ones(tasks), np.zeros((tasks, FEATURES)), np.zeros(tasks)
    for t, (losses, gradients) in enumerate(steps_of(scales)):
        g = gradients.sum(1)
        squares += g**2
        risks = np.sum(g * g / np.sqrt(np.maximum(squares, 1e-30)), 1)
        if t < warmup:
            first += risks / warmup
        else:
            relative = np.divide(risks, first, out=np.zeros(tasks), where=first > 0)
            learned = learned * np.exp(0.2 * relative)
            learned *= tasks / learned.sum()
        np.testing.assert_allclose(weights_of(balancer, losses, gradients), learned, rtol=1e-3)


def test_excess_mtl_leaves_absent_tasks_alone() -> None:
    balancer = ExcessMTL(learning_rate=1.0).build(targets(1, 1, 1))
    balancer.prepare(FEATURES)
    assert isinstance(balancer, ExcessMTLBalancer)
    for losses, gradients in steps_of(np.array([1.0, 2.0, 1.0])):
        weights = weights_of(balancer, losses, gradients, np.array([1.0, 0.0, 1.0]))
        assert weights[1] == 0
        assert weights.sum() == pytest.approx(2)
    assert all(np.all(v.numpy()[..., 1] == 0) for v in balancer.variables)
    assert np.ptp(balancer.logits.numpy()) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("method", [MGDA(), CAGrad(), GradNorm()], ids=lambda m: m.name)
@PROBLEMS
def test_smoothed_weights_are_averages_over_steps(
    scales: np.ndarray, method: GramianBalancing
) -> None:
    given = targets(*[1.0] * len(scales))
    alone, inner = method.build(given), method.build(given)
    smoothed, averaged = Smoothed(inner, 0.7, given), None
    assert {id(v) for v in inner.variables} < {id(v) for v in smoothed.variables}
    for losses, gradients in steps_of(scales):
        new = weights_of(alone, losses, gradients)
        averaged = new if averaged is None else 0.7 * averaged + 0.3 * new
        found = weights_of(smoothed, losses, gradients)
        np.testing.assert_allclose(found, averaged, rtol=1e-4, atol=1e-5)


def test_smoothing_keeps_the_weights_of_absent_tasks() -> None:
    smoothed = Smoothed(MGDA().build(targets(1, 1, 1)), 0.5, targets(1, 1, 1))
    (losses, gradients), (other_losses, other), *_ = steps_of(np.ones(3))
    first = weights_of(smoothed, losses, gradients)
    second = weights_of(smoothed, other_losses, other, np.array([1.0, 0.0, 1.0]))
    assert second[1] == 0
    assert smoothed.averaged.numpy()[1] == first[1]
    assert list(smoothed.steps.numpy()) == [2, 1, 2]
