"""The last word: never much worse than the best member, and weak members are kept out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from components.labels.base import Loss, Objective
from components.training.stacking import blended, weighed

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


@pytest.mark.parametrize(("count", "worse"), [(10, 0.5), (30, 0.35), (100, 0.1), (500, 0.02)])
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
    test = slice(500, None)
    best = min(loss(member[:, 0], test) for member in outputs)
    for stack in (
        weighed(outputs[:, :count], logistic(LABELS[:count]), 0.5),
        blended(outputs[:, :count], logistic(LABELS[:count])),
    ):
        assert (stack.weights >= 0).all()
        assert stack.weights.sum() == pytest.approx(1)
        assert loss(stack(outputs)[:, 0], test) < best + worse


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_a_nearly_exact_model_of_numbers_is_not_watered_down(loss: Loss) -> None:
    numbers = TRUTH / TRUTH.std()
    exact, rough = (numbers + scale * RNG.normal(size=ROWS) for scale in (0.05, 0.4))
    outputs = members(rough, exact)[:, :500]
    objectives = [Objective(task="t", loss=loss, labels=numbers[:500])]
    for stack in blended(outputs, objectives), weighed(outputs, objectives, 0.5):
        assert stack.weights[1] > 0.95


def test_equals_are_averaged_and_noise_gets_no_weight() -> None:
    equal = blended(members(noisy(1), noisy(1), noisy(1)), logistic(LABELS)).weights
    assert max(equal) - min(equal) < 0.2
    reversed_ = weighed(members(noisy(0.5), noisy(0.5, -1)), logistic(LABELS), 0.5).weights
    assert reversed_[1] < 0.02


@pytest.mark.parametrize("trust", [0.5, 1.0])
def test_without_labels_it_stays_where_it_begins(trust: float) -> None:
    nothing = logistic(np.full(ROWS, np.nan))
    assert weighed(members(noisy(4), noisy(0)), nothing, trust).weights.tolist() == [
        trust,
        1 - trust,
    ]
    assert blended(members(noisy(4), noisy(0)), nothing).weights.tolist() == [0.5, 0.5]


def test_few_rows_stretch_nothing() -> None:
    """R2 of a table fell below that of each member when 28 rows could choose any sum of weights."""
    members_ = members(noisy(0.7), noisy(0.9), noisy(1.1)) / TRUTH.std()
    few = slice(0, 28)
    labels = 1.5 * TRUTH[few] / TRUTH.std()  # rows that happen to lie far from the mean
    objectives = [Objective(task="t", loss="squared", labels=labels)]
    output = blended(members_[:, few], objectives)(members_)[:, 0]
    assert output.std() < members_.std(axis=(1, 2)).max()


def test_a_wrong_threshold_is_mended() -> None:
    outputs = members(noisy(0.3) + 3, noisy(0.3) + 3)
    wrong = float(((outputs[0, :, 0] > 0) != LABELS).mean())
    stack = weighed(outputs, logistic(LABELS), 0.5)
    assert float(((stack(outputs)[:, 0] > 0) != LABELS).mean()) < wrong - 0.1
