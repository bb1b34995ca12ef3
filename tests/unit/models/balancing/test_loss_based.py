"""Loss-based methods against their papers' formulas in NumPy, over several steps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import gmean

from models.balancing.loss_based.dwa import DWA, DWABalancer
from models.balancing.loss_based.famo import FAMO, FAMOBalancer
from models.balancing.loss_based.fixed import FixedWeights
from models.balancing.loss_based.gls import GLS
from models.balancing.loss_based.rlw import RLW
from models.balancing.loss_based.stch import STCH, STCHBalancer
from models.lazy import keras
from tests.unit.models.balancing.steps import built, step, targets

RNG = np.random.default_rng(0)
LOSSES = {
    "two": np.array([0.3, 0.9]),
    "alike": np.array([0.7, 0.7, 0.7]),
    "far apart": np.array([1e-3, 1.0, 1e3]),
    "one": np.array([0.4]),
    "eight": RNG.uniform(0.1, 3, 8),
}
PROBLEMS = pytest.mark.parametrize("losses", LOSSES.values(), ids=LOSSES.keys())


def test_fixed_weights_multiply_the_tasks_own() -> None:
    losses = np.array([0.5, 2.0, 3.0])
    method = FixedWeights(weights={"t0": 4.0, "t2": 0.0})
    assert step(built(method, 1, 3, 1), losses)[1] == pytest.approx([4, 3, 0])
    mean = FixedWeights(weights={"t0": 4.0, "t2": 0.0}, reduction="mean")
    total, weights = step(built(mean, 1, 3, 1), losses, np.array([1, 1, 0]))
    assert total == pytest.approx((4 * 0.5 + 3 * 2) / 7)
    assert weights == pytest.approx([4 / 7, 3 / 7, 0])


def test_a_fixed_weight_of_an_unknown_task_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"balancing.weights: no task 'x'; expected some of \['t0'\]"
    ):
        FixedWeights(weights={"x": 1.0}).build(targets(1))


@PROBLEMS
def test_gls_is_the_geometric_mean(losses: np.ndarray) -> None:
    tasks = len(losses)
    total, weights = step(built(GLS(), *[1.0] * tasks), losses)
    assert total == pytest.approx(tasks * gmean(losses), rel=1e-4)
    np.testing.assert_allclose(weights, gmean(losses) / losses, rtol=1e-4)


def test_gls_weighs_the_mean_by_the_tasks_weights() -> None:
    total, _ = step(built(GLS(), 1, 3), np.array([0.2, 0.9]))
    assert total == pytest.approx(4 * gmean([0.2, 0.9], weights=[1, 3]), rel=1e-5)


@pytest.mark.slow
def test_rlw_draws_the_softmax_of_standard_normals() -> None:
    """Logarithms of ratios of weights are normal with variance 2; weights are 1 on average."""
    keras.utils.set_random_seed(1)
    balancer = built(RLW(), 1, 1, 1)
    drawn = np.stack([step(balancer, np.ones(3))[1] for _ in range(300)])
    np.testing.assert_allclose(drawn.sum(1), 3, rtol=1e-5)
    np.testing.assert_allclose(drawn.mean(0), 1, atol=0.15)
    ratios = np.log(drawn[:, 0] / drawn[:, 1])
    assert np.mean(ratios) == pytest.approx(0, abs=0.25)
    assert np.var(ratios) == pytest.approx(2, rel=0.3)


def test_rlw_leaves_absent_tasks_out_and_goes_on_from_its_state() -> None:
    balancer = built(RLW(), 1, 1, 1)
    (state,) = balancer.variables
    before = np.array(state)
    _, weights = step(balancer, np.ones(3), np.array([1, 0, 1]))
    assert weights[1] == 0
    assert weights.sum() == pytest.approx(2)
    state.assign(before)
    np.testing.assert_array_equal(step(balancer, np.ones(3), np.array([1, 0, 1]))[1], weights)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@PROBLEMS
def test_dwa_follows_the_ratio_of_epoch_means(losses: np.ndarray, temperature: float) -> None:
    tasks = len(losses)
    balancer = built(DWA(temperature=temperature), *[1.0] * tasks)
    assert isinstance(balancer, DWABalancer)
    means = []
    for epoch in range(4):
        given = losses * RNG.uniform(0.5, 1, (3, tasks))
        expected = np.ones(tasks)
        if epoch >= 2:
            expected = tasks * softmax(means[-1] / means[-2] / temperature)
        for row in given:
            total, weights = step(balancer, row)
            np.testing.assert_allclose(weights, expected, rtol=1e-4)
            assert total == pytest.approx(np.dot(expected, row), rel=1e-4)
        means.append(given.mean(0))
        balancer.new_epoch()
        balancer.new_epoch()


def test_dwa_averages_the_steps_in_which_a_task_is_present() -> None:
    balancer = built(DWA(), 1, 1)
    assert isinstance(balancer, DWABalancer)
    for losses, present in [([1, 4], [1, 1]), ([3, 9], [1, 0])]:
        step(balancer, np.array(losses, float), np.array(present, float))
    balancer.new_epoch()
    np.testing.assert_allclose(balancer.last, [2, 4])
    step(balancer, np.array([1.0, 9.0]), np.array([1.0, 0.0]))
    balancer.new_epoch()
    np.testing.assert_allclose(balancer.last, [1, 4])
    np.testing.assert_allclose(balancer.before, [2, 0])
    _, weights = step(balancer, np.ones(2))
    np.testing.assert_allclose(weights, 2 * softmax([0.5 / 2, 1 / 2]), rtol=1e-5)


def stch_gradient(losses: np.ndarray, references: np.ndarray, mu: float) -> np.ndarray:
    """Of mu log(sum exp(log(loss / reference) / mu)), by central differences."""

    def g(x: np.ndarray) -> float:
        return float(mu * np.log(np.sum(np.exp(np.log(x / references) / mu))))

    steps = np.diag(1e-6 * losses)
    return np.array([(g(losses + s) - g(losses - s)) / (2 * s.sum()) for s in steps])


@pytest.mark.parametrize("mu", [0.2, 1.0])
@PROBLEMS
def test_stch_has_the_direction_of_the_formula(losses: np.ndarray, mu: float) -> None:
    tasks = len(losses)
    balancer = built(STCH(mu=mu, warmup_epochs=2), *[1.0] * tasks)
    assert isinstance(balancer, STCHBalancer)
    for _ in range(2):
        given = losses * RNG.uniform(0.5, 1, (3, tasks))
        for row in given:
            _, weights = step(balancer, row)
            np.testing.assert_allclose(weights, tasks / row / np.sum(1 / row), rtol=1e-4)
        balancer.new_epoch()
        balancer.new_epoch()
    references = given.mean(0)
    for row in losses * RNG.uniform(0.5, 1, (3, tasks)):
        expected = stch_gradient(row, references, mu)
        total, weights = step(balancer, row)
        np.testing.assert_allclose(weights, tasks * expected / expected.sum(), rtol=1e-3, atol=1e-6)
        assert total == pytest.approx(np.dot(weights, row), rel=1e-4)


def test_stch_with_a_small_mu_follows_the_worst_task() -> None:
    balancer = built(STCH(mu=0.01), 1, 1, 1)
    assert isinstance(balancer, STCHBalancer)
    step(balancer, np.array([1.0, 2.0, 3.0]))
    balancer.new_epoch()
    _, weights = step(balancer, np.array([0.5, 1.8, 1.5]))
    np.testing.assert_allclose(weights, [0, 3, 0], atol=1e-5)


def test_a_task_missing_in_the_warm_up_of_stch_gets_its_reference_later() -> None:
    balancer = built(STCH(), 1, 1)
    assert isinstance(balancer, STCHBalancer)
    step(balancer, np.array([2.0, 9.0]), np.array([1.0, 0.0]))
    balancer.new_epoch()
    step(balancer, np.array([5.0, 4.0]))
    balancer.new_epoch()
    np.testing.assert_allclose(balancer.references, [2, 4])


def famo_reference(
    rounds: list[tuple[np.ndarray, np.ndarray]], rate: float, decay: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (adding up to 1) and logits after each round of losses before and after."""
    logits = m = v = np.zeros(len(rounds[0][0]))
    found = []
    for t, (before, after) in enumerate(rounds, 1):
        z = softmax(logits)
        weights = z / before / np.sum(z / before)
        jacobian = np.diag(z) - np.outer(z, z)
        gradient = jacobian @ (np.log(before) - np.log(after)) + decay * logits
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        logits = logits - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        found.append((weights, logits))
    return found


@PROBLEMS
def test_famo_follows_algorithm_1(losses: np.ndarray) -> None:
    tasks = len(losses)
    balancer = built(FAMO(learning_rate=0.1, decay=0.01), *[1.0] * tasks)
    assert isinstance(balancer, FAMOBalancer)
    befores = losses * RNG.uniform(0.5, 1, (6, tasks))
    rounds = [(b, b * RNG.uniform(0.5, 1.1, tasks)) for b in befores]
    expected = famo_reference(rounds, 0.1, 0.01)
    for (before, after), (weights, logits) in zip(rounds, expected, strict=True):
        _, found = step(balancer, before)
        np.testing.assert_allclose(found, tasks * weights, rtol=1e-3)
        balancer.after_update(*(x.astype("float32") for x in (before, after, np.ones(tasks))))
        np.testing.assert_allclose(balancer.logits, logits, rtol=1e-3, atol=1e-6)


def test_famo_favours_the_slower_task() -> None:
    balancer = built(FAMO(), 1, 1)
    assert isinstance(balancer, FAMOBalancer)
    before, after = np.array([1, 1], "float32"), np.array([0.5, 0.9], "float32")
    balancer.after_update(before, after, np.ones(2, "float32"))
    weights = step(balancer, np.ones(2))[1]
    assert weights[0] < 1 < weights[1]


def test_famo_leaves_absent_tasks_alone() -> None:
    three, two = built(FAMO(), 1, 1, 1), built(FAMO(), 1, 1)
    assert isinstance(three, FAMOBalancer)
    assert isinstance(two, FAMOBalancer)
    for _ in range(3):
        before, after = RNG.uniform(0.1, 2, (2, 2)).astype("float32")
        two.after_update(before, after, np.ones(2, "float32"))
        apart = [np.array([b, 0, c], "float32") for b, c in (before, after, (1, 1))]
        three.after_update(*apart)
        for longer, shorter in zip(three.variables, two.variables, strict=True):
            np.testing.assert_allclose(np.array(longer)[[0, 2]], shorter, rtol=1e-5)
            assert longer.numpy()[1] == 0
