import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

from components.experts.penalised import Basis, Models, solve
from components.labels.point_losses import LOSSES

PENALTIES = np.array([30.0, 0.5])


def labels_of(name, z, rng):
    noisy = z + rng.logistic(size=len(z))
    return {
        "logistic": (noisy > 0).astype(float),
        "softmax": np.digitize(noisy, [-1, 1]).astype(float),
        "squared": noisy,
        "huber": z + rng.standard_t(2, size=len(z)),
        "poisson": rng.poisson(np.exp(0.4 * z)).astype(float),
    }[name]


def problem(name, rows, width, seed=0):
    """Columns [rows, width], labels, and two models: of some rows, and of all."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, width)) @ rng.normal(size=(width, width))  # correlated
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = labels_of(name, x[:, :3].sum(axis=1), rng)
    loss, outputs = LOSSES[name], 3 if name == "softmax" else 1
    weights = np.stack([rng.random(rows) < 0.7, np.ones(rows)], axis=1).astype(float)
    return x, y, Models(Basis.of(x), loss, loss.targets(y, outputs), weights, PENALTIES)


def reference(name, x, y, penalty):
    if name in ("logistic", "softmax"):
        return LogisticRegression(C=1 / penalty, tol=1e-10, solver="newton-cholesky").fit(x, y)
    if name == "squared":
        return Ridge(alpha=penalty).fit(x, y)
    return PoissonRegressor(
        alpha=penalty / len(y), tol=1e-10, max_iter=1000, solver="newton-cholesky"
    ).fit(x, y)


@pytest.mark.parametrize("shape", [(300, 12), (40, 80)])
@pytest.mark.parametrize("name", ["logistic", "softmax", "squared", "poisson"])
def test_solutions_are_those_of_scikit_learn(name, shape):
    x, y, models = problem(name, *shape)
    margins = models.margins(solve(models, models.constant(), 1e-16))
    for k, penalty in enumerate(PENALTIES):
        seen = models.weights[:, k] > 0
        model = reference(name, x[seen], y[seen], penalty)
        expected = getattr(model, "decision_function", model.predict)(x)
        expected = np.log(expected) if name == "poisson" else expected
        np.testing.assert_allclose(margins[:, k], expected.reshape(len(x), -1), atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_at_the_solution_the_gradient_vanishes(name):
    _, _, models = problem(name, 200, 40)
    solved = solve(models, models.constant(), 1e-13)
    assert np.abs(models.gradient(models.margins(solved), solved)).max() < 1e-3
    worse = solved + 0.01 * np.random.default_rng(1).normal(size=solved.shape)
    best = models.value(models.margins(solved), solved)
    assert (models.value(models.margins(worse), worse) > best).all()


def test_the_start_does_not_matter():
    _, _, models = problem("logistic", 200, 20)
    far = models.constant() + np.random.default_rng(1).normal(size=models.constant().shape)
    a, b = solve(models, models.constant(), 1e-13), solve(models, far, 1e-13)
    np.testing.assert_allclose(models.margins(a), models.margins(b), atol=1e-5)


@pytest.mark.parametrize("name", ["logistic", "poisson"])
def test_labels_of_one_class_give_the_smoothed_constant(name):
    _, _, models = problem(name, 50, 4)
    models.targets[models.weights[:, 0] > 0] = 0
    models.targets[models.weights[:, 0] == 0] = 1
    solved, rows = solve(models, models.constant(), 1e-13), models.weights[:, 0].sum()
    odds = {"logistic": 0.5 / (rows + 0.5), "poisson": 0.5 / (rows + 0.5)}[name]
    np.testing.assert_allclose(models.margins(solved)[:, 0], np.log(odds))
    assert np.ptp(models.margins(solved)[:, 1]) > 0.1  # the other model is none of a constant


def test_a_class_that_no_row_has_is_unlikely_everywhere():
    _, _, models = problem("softmax", 200, 5)
    targets = np.concatenate([models.targets, np.zeros((200, 1))], axis=1)
    four = Models(models.basis, models.loss, targets, models.weights, PENALTIES)
    margins = four.margins(solve(four, four.constant(), 1e-13))
    three = models.margins(solve(models, models.constant(), 1e-13))
    shift = (margins[..., :3] - three).mean(axis=(0, 2), keepdims=True)  # which changes no chance
    np.testing.assert_allclose(margins[..., :3] - shift, three, atol=1e-5)
    chances = np.exp(margins) / np.exp(margins).sum(axis=-1, keepdims=True)
    assert 0 < chances[..., 3].max() < 0.05


def test_a_model_without_rows_is_constant():
    _, _, models = problem("logistic", 50, 4)
    models.weights[:, 0] = 0
    assert not models.margins(solve(models, models.constant(), 1e-13))[:, 0].any()
