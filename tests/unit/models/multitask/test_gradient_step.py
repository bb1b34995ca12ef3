"""Gradients through the shared representation, against gradients through the whole model."""

from __future__ import annotations

import numpy as np
import pytest

from models.balancing.base import Balancing, GramianBalancer
from models.balancing.gradient_based.mgda import MGDA
from models.balancing.loss_based.equal import Equal
from models.inputs.numeric import NumericFeature
from models.inputs.representation import REPRESENTATION
from models.lazy import keras, tf
from models.multitask.batch_losses import BatchLosses, batch_losses
from models.multitask.gradient_step import balanced_pass, conflict_figures, conflict_totals
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.regression import RegressionTask
from models.trunks.scratch import Scratch

TARGETS = (
    TaskTarget(task=BinaryTask(name="a", label="l", weight=2.0)),
    TaskTarget(task=RegressionTask(name="b", label="l")),
    TaskTarget(task=BinaryTask(name="c", label="l")),
)
X = {"x": np.linspace(-1, 1, 12, dtype=np.float32)}
Y = {
    "a": np.where(X["x"] > 0, 1, np.nan).astype(np.float32),
    "b": np.sin(X["x"]),
    "c": np.full(12, np.nan, np.float32),
}


class Plain(GramianBalancer):
    def weights(self, gramian, losses, present):  # type: ignore[no-untyped-def]
        return self.task_weights("float64")


def make_model(balancing: Balancing, regularizer: str | None = None) -> MultitaskModel:
    keras.utils.set_random_seed(3)
    features = (NumericFeature(name="x", column="x", mean=0, deviation=1),)
    model = MultitaskModel(features, TARGETS, Scratch(width=6, dropout=0), Hard(), balancing)
    for layer in (*model.trunk._flatten_layers(), *model.towers._flatten_layers()):
        if regularizer and isinstance(layer, keras.layers.Dense):
            layer.kernel.regularizer = keras.regularizers.get(regularizer)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def losses_of_members(model: MultitaskModel) -> BatchLosses:
    outputs = model.towers(model.represent(X, training=True), training=True)
    return batch_losses(model.heads, Y, outputs, model.members)


def test_weighted_sums_are_the_gradients_of_the_whole_model() -> None:
    model = make_model(Equal(), regularizer="l2")
    balancer = Plain(TARGETS)
    with tf.GradientTape() as tape:
        batch = losses_of_members(model)
        total = balancer.objective(batch.losses, batch.present) + tf.add_n(model.losses)
    expected = tape.gradient(total, model.trainable_variables, unconnected_gradients="zero")
    done = balanced_pass(model, balancer, model.shared_variables(X), X, Y)
    found, weights = done.gradients, done.weights
    assert float(done.objective) == pytest.approx(float(total))
    for e, f in zip(expected, found, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(weights, [2, 1, 0])


def test_where_no_trunk_trains_the_sum_of_losses_is_minimised() -> None:
    model, plain = make_model(MGDA()), make_model(Equal())
    features = {REPRESENTATION: np.asarray(model.represent(X))}
    for m in (model, plain):
        m.trunk.trainable = False
        m.train_step((features, Y))
    for v, e in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(v, e)


def test_a_training_step_reports_weights_norms_and_conflicts() -> None:
    model = make_model(MGDA())
    model.train_step((X, Y))
    figures = model.totals.result()
    assert figures["a_weight"] + figures["b_weight"] == pytest.approx(3)
    assert figures["a_gradient_norm"] > 0
    assert np.isnan(figures["c_weight"])
    assert abs(figures["gradient_cosine"]) <= 1
    assert figures["conflict_rate"] in (0, 1)


def test_mixed_precision_balances_in_float32() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make_model(MGDA())
        before = [np.array(v) for v in model.trunk.trainable_variables]
        model.train_step((X, Y))
    finally:
        keras.config.set_dtype_policy("float32")
    after = model.trunk.trainable_variables
    assert any(np.any(b != a) for b, a in zip(before, after, strict=True))
    assert all(np.all(np.isfinite(v)) for v in after)


def test_conflicts_are_counted_over_pairs_with_gradients() -> None:
    gradients = np.array([[1, 0], [-1, 1], [0, 2], [0, 0]], np.float32)
    totals = conflict_totals(gradients @ gradients.T, tf.constant([1.0, 1, 1, 1])).numpy()
    figures = conflict_figures("abcd", totals, np.ones(4))
    assert figures["b_gradient_norm"] == pytest.approx(np.sqrt(2))
    assert figures["conflict_rate"] == pytest.approx(1 / 3)
    assert figures["gradient_cosine"] == pytest.approx(0, abs=1e-6)


def test_at_parameters_gramians_are_those_of_full_gradients() -> None:
    """MGDA's update of the trunk, computed from plain backward passes."""
    model, other = make_model(MGDA(at="parameters")), make_model(Equal())
    shared = model.shared_variables(X)
    rows = []
    for task in "ab":
        with tf.GradientTape() as tape:
            batch = losses_of_members(other)
            loss = batch.each["abc".index(task)]
        found = tape.gradient(loss, other.shared_variables(X))
        rows.append(np.concatenate([np.ravel(g) for g in found]))
    a, b = rows[0] / 2, rows[1]  # a task's weight divides its gradient
    t = np.clip(np.dot(b, b - a) / np.dot(a - b, a - b), 0, 1)
    weights = np.array([t / 2, 1 - t])
    weights *= 3 / weights.sum()
    before = np.concatenate([np.ravel(v) for v in shared])
    model.train_step((X, Y))
    after = np.concatenate([np.ravel(v) for v in shared])
    expected = before - 0.1 * (weights[0] * rows[0] + weights[1] * rows[1])
    np.testing.assert_allclose(after, expected, atol=1e-5)
