"""The last word: never much worse than the best member, and weak members are kept out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.metrics import log_loss

from components.labels.base import Objective
from components.training.stacking import FEWEST_ROWS, LOSSES, learned

ROWS = 1500
RNG = np.random.default_rng(0)
TRUTH = 2 * RNG.normal(size=ROWS)
LABELS = (RNG.random(ROWS) < 1 / (1 + np.exp(-TRUTH))).astype(np.float64)


def logistic(labels: np.ndarray) -> list[Objective]:
    return [Objective(task="t", loss="logistic", labels=labels)]


def noisy(scale: float, factor: float = 1.0) -> np.ndarray:
    return factor * (TRUTH + scale * RNG.normal(size=ROWS))


def members(*logits: np.ndarray) -> np.ndarray:
    return np.stack(logits)[:, :, None]


def loss(logits: np.ndarray, rows: slice) -> float:
    return float(log_loss(LABELS[rows], 1 / (1 + np.exp(-logits[rows]))))


@pytest.mark.parametrize(("count", "worse"), [(30, 0.3), (100, 0.05), (500, 0.02)])
@pytest.mark.parametrize(
    "outputs",
    [
        members(noisy(0.5), noisy(4)),
        members(noisy(4), noisy(0.5)),
        members(noisy(1), noisy(1)),
        members(noisy(0.5), RNG.normal(size=ROWS)),
        members(noisy(0.5, 3.0), noisy(0.5, -1.0)),
    ],
    ids=["weak expert", "weak network", "equals", "noise", "overconfident and reversed"],
)
def test_it_is_not_worse_than_the_best_member(
    outputs: np.ndarray, count: int, worse: float
) -> None:
    stack = learned(outputs[:, :count], logistic(LABELS[:count]))
    assert (stack.weights >= 0).all()
    test = slice(500, None)
    best = min(loss(member[:, 0], test) for member in outputs)
    assert loss(stack(outputs)[:, 0], test) < best + worse


def test_equals_are_averaged_and_noise_gets_no_weight() -> None:
    equal = learned(members(noisy(1), noisy(1)), logistic(LABELS)).weights
    assert abs(equal[0] - equal[1]) < 0.25 * equal.sum()
    noise = learned(members(noisy(0.5), RNG.normal(size=ROWS)), logistic(LABELS)).weights
    assert noise[1] < 0.05 * noise[0]


def test_with_few_rows_the_network_stays_as_it_is() -> None:
    few = FEWEST_ROWS - 1
    labels = LABELS.copy()
    labels[few:] = np.nan
    stack = learned(members(noisy(4), noisy(0)), logistic(labels))
    assert stack.weights.tolist() == [1, 0]
    assert stack.bias.tolist() == [0]


def test_a_wrong_threshold_is_mended() -> None:
    stack = learned(members(noisy(0.3) + 3), logistic(LABELS))
    wrong = float(((noisy(0.3) + 3 > 0) != LABELS).mean())
    assert float(((stack(members(noisy(0.3) + 3))[:, 0] > 0) != LABELS).mean()) < wrong - 0.1


@pytest.mark.parametrize(
    ("kind", "labels", "units"),
    [
        ("logistic", np.array([0.0, 1.0]), 1),
        ("softmax", np.array([2.0, 0.0]), 3),
        ("squared", np.array([0.3, -1.0]), 1),
        ("huber", np.array([0.3, -4.0]), 1),
        ("poisson", np.array([0.0, 3.0]), 1),
    ],
)
def test_slopes_are_derivatives(kind: str, labels: np.ndarray, units: int) -> None:
    function = LOSSES[kind]  # type: ignore[index]
    shape = (len(labels), units)
    error = check_grad(
        lambda z: float(function(z.reshape(shape), labels)[0].sum()),
        lambda z: function(z.reshape(shape), labels)[1].ravel(),
        np.linspace(-1, 1.5, len(labels) * units),
    )
    assert error < 1e-5
