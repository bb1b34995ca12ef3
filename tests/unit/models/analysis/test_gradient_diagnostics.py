"""Diagnostics of gradients, compared with known values."""

from __future__ import annotations

import numpy as np
import pytest

from models.analysis.gradient_diagnostics import effective_rank, gradient_diagnostics
from models.balancing.base import Balancing
from models.balancing.gradient_based.gradnorm import GradNorm
from models.balancing.gradient_based.mgda import MGDA
from models.balancing.gradient_based.pcgrad import PCGrad
from models.balancing.loss_based.equal import Equal
from models.inputs.numeric import NumericFeature
from models.lazy import keras
from models.multitask.model import MultitaskModel
from models.sharing.adapters import Adapters
from models.sharing.hard import Hard
from models.sharing.soft import Soft
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.trunks.scratch import Scratch

FEATURES = (NumericFeature(name="x", column="x", mean=0, deviation=1),)
X = {"x": np.linspace(-1, 1, 12, dtype=np.float32)}
SIGNS = (X["x"] > 0).astype(np.float32)


def make_model(balancing: Balancing, tasks: str) -> MultitaskModel:
    keras.utils.set_random_seed(1)
    targets = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in tasks)
    model = MultitaskModel(FEATURES, targets, Scratch(width=6, dropout=0), Hard(), balancing)
    model.compile(keras.optimizers.SGD(0.1))
    return model


@pytest.mark.parametrize(
    ("gradients", "rank"),
    [
        ([[1, 0], [3, 0], [0.5, 0]], 1),
        ([[1, 0, 0], [0, 2, 0], [0, 0, 3]], 3),
        ([[1, 0], [0, 5], [0, 0]], 2),
        ([[0, 0], [0, 0]], 1),
    ],
)
def test_effective_rank(gradients: list[list[float]], rank: float) -> None:
    rows = np.array(gradients, np.float32)
    assert float(effective_rank(rows @ rows.T)) == pytest.approx(rank, rel=1e-2)


def test_effective_rank_is_that_of_the_singular_values() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    shares = np.linalg.svd(unit, compute_uv=False)
    shares /= shares.sum()
    expected = np.exp(-np.sum(shares * np.log(shares)))
    assert float(effective_rank(rows @ rows.T)) == pytest.approx(expected, rel=1e-3)


def test_plain_training_reports_conflicts() -> None:
    model = make_model(Equal(), "ab")
    weights = [np.array(w) for w in model.weights]
    head = next(la for la in model.towers.layers if la.name == "a.head")
    other = next(la for la in model.towers.layers if la.name == "b.head")
    other.kernel.assign(head.kernel)
    figures = gradient_diagnostics(model)(X, {"a": SIGNS, "b": SIGNS})
    assert figures["gradient_cosine"] == pytest.approx(1, abs=1e-5)
    assert figures["conflict_rate"] == 0
    assert figures["gradient_rank"] == pytest.approx(1, abs=0.01)
    other.kernel.assign(-head.kernel)
    assert gradient_diagnostics(model)(X, {"a": SIGNS, "b": SIGNS})["conflict_rate"] == 1
    other.kernel.assign(weights[[w.path for w in model.weights].index(other.kernel.path)])
    for before, after in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_one_task_is_exact_at_the_representation() -> None:
    figures = gradient_diagnostics(make_model(MGDA(), "a"))(X, {"a": SIGNS})
    assert figures["exactness"] == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("balancing", [MGDA(), PCGrad(), GradNorm()], ids=lambda b: b.name)
def test_exactness_leaves_the_methods_state(balancing: Balancing) -> None:
    model = make_model(balancing, "abc")
    before = [np.array(v) for v in model.balancer.variables]
    labels = {"a": SIGNS, "b": 1 - SIGNS, "c": np.roll(SIGNS, 3)}
    figures = gradient_diagnostics(model)(X, labels)
    assert -1 <= figures["exactness"] <= 1.0001
    assert "gradient_cosine" not in figures
    for old, v in zip(before, model.balancer.variables, strict=True):
        np.testing.assert_array_equal(old, v)


def test_at_parameters_there_is_nothing_to_compare() -> None:
    model = make_model(MGDA(at="parameters"), "ab")
    figures = gradient_diagnostics(model)(X, {"a": SIGNS, "b": SIGNS})
    assert "exactness" not in figures


@pytest.mark.parametrize("name", ["adapters", "soft"])
def test_figures_are_taken_where_tasks_meet(name: str) -> None:
    keras.utils.set_random_seed(1)
    targets = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in "ab")
    sharing = {"adapters": Adapters(), "soft": Soft()}[name]
    model = MultitaskModel(FEATURES, targets, Scratch(width=6, dropout=0), sharing, Equal())
    a, b = (next(la for la in model.towers.layers if la.name == f"{t}.head") for t in "ab")
    b.kernel.assign(a.kernel)
    figures = gradient_diagnostics(model)(X, {"a": SIGNS, "b": SIGNS})
    if name == "soft":
        assert figures == {}
    else:
        assert figures["gradient_cosine"] == pytest.approx(1, abs=1e-4)
        assert figures["gradient_rank"] == pytest.approx(1, abs=0.05)
