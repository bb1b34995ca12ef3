import numpy as np
import pytest

from components.labels.point_losses import LOSSES

LABELS = {
    "logistic": [0.0, 1, 1],
    "softmax": [0.0, 2, 1],
    "squared": [-1.0, 0.5, 3],
    "huber": [-1.0, 0.5, 3],
    "poisson": [0.0, 1, 4],
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_derivatives_of_the_values(name):
    loss, outputs = LOSSES[name], 3 if name == "softmax" else 1
    targets = loss.targets(np.array(LABELS[name]), outputs)
    margins = np.random.default_rng(0).normal(size=(3, 2, outputs))
    gradient = loss.gradients(margins, targets)
    for c in range(outputs):
        step = np.zeros(outputs)
        step[c] = 1e-6
        change = loss.values(margins + step, targets) - loss.values(margins - step, targets)
        np.testing.assert_allclose(change / 2e-6, gradient[..., c], atol=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_the_constant_is_nearly_the_best_one_where_rows_are_many(name):
    loss, outputs = LOSSES[name], 3 if name == "softmax" else 1
    targets = loss.targets(np.array(LABELS[name] * 1000), outputs)
    constant = loss.constant(targets.sum(axis=0)[None], np.array([3000.0]))
    if name != "huber":  # it starts from the mean
        slope = loss.gradients(np.repeat(constant[None], 3000, axis=0), targets).mean(axis=0)
        np.testing.assert_allclose(slope, 0, atol=1e-3)


def test_values_of_large_margins_do_not_overflow():
    big = np.array([[[800.0]], [[-800.0]]])
    np.testing.assert_allclose(LOSSES["logistic"].values(big, np.zeros((2, 1))), [[800], [0]])
    wide = np.array([[[800.0, 0, -800]]])
    assert LOSSES["softmax"].values(wide, np.array([[0.0, 0, 1]]))[0, 0] == 1600


def test_an_output_is_absent_where_its_best_margin_is_infinite():
    one, three = np.array([[0.0], [3], [5]]), np.array([5.0, 5, 5])
    assert LOSSES["logistic"].absent(one, three).ravel().tolist() == [True, False, True]
    assert LOSSES["poisson"].absent(one, three).ravel().tolist() == [True, False, False]
    assert not LOSSES["squared"].absent(one, three).any()
    classes = np.array([[3.0, 2, 0], [5, 0, 0]])
    absent = LOSSES["softmax"].absent(classes, np.array([5.0, 5]))
    assert absent.tolist() == [[False, False, True], [True, True, True]]
