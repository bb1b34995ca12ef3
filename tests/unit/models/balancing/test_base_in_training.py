"""Methods whose state changes during training, in steps and epochs of `fit`."""

from __future__ import annotations

import numpy as np
import pytest

from models.balancing.base import Balancing
from models.balancing.gradient_based.db_mtl import DBMTL
from models.balancing.gradient_based.excess_mtl import ExcessMTL
from models.balancing.loss_based.dwa import DWA, DWABalancer
from models.balancing.loss_based.famo import FAMO, FAMOBalancer
from models.balancing.loss_based.rlw import RLW
from models.balancing.loss_based.stch import STCH
from models.inputs.numeric import NumericFeature
from models.lazy import keras, tf
from models.multitask.batch_losses import batch_losses
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.regression import RegressionTask
from models.trunks.scratch import Scratch

pytestmark = pytest.mark.slow

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


def make_model(balancing: Balancing, **options: bool) -> MultitaskModel:
    keras.utils.set_random_seed(3)
    features = (NumericFeature(name="x", column="x", mean=0, deviation=1),)
    model = MultitaskModel(features, TARGETS, Scratch(width=6, dropout=0), Hard(), balancing)
    model.compile(keras.optimizers.SGD(0.1), **options)
    return model


def losses(model: MultitaskModel) -> np.ndarray:
    x, y = ({n: tf.constant(v) for n, v in part.items()} for part in (X, Y))
    outputs = model.towers(model.represent(x, training=True), training=True)
    return batch_losses(model.heads, y, outputs, model.members).losses.numpy()


@pytest.mark.parametrize("xla", [False, True])
def test_famo_sees_the_losses_after_the_update(xla: bool) -> None:
    """The compiler must not merge the two forward passes, which have the same inputs."""
    model = make_model(FAMO(), jit_compile=xla)
    assert isinstance(model.balancer, FAMOBalancer)
    expected = make_model(FAMO()).balancer
    assert isinstance(expected, FAMOBalancer)
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(12)
    for _ in range(3):
        before = losses(model)
        model.fit(data, epochs=1, verbose=0, shuffle=False)
        after = losses(model)
        assert np.all(np.abs(after - before)[:2] > 1e-3)
        expected.after_update(before, after, np.array([1, 1, 0], "float32"))
        for found, variable in zip(model.balancer.variables, expected.variables, strict=True):
            np.testing.assert_allclose(found, variable, rtol=1e-2, atol=1e-6)
    assert np.all(np.abs(model.balancer.logits.numpy()[:2]) > 1e-3)
    assert model.balancer.logits.numpy()[2] == 0


@pytest.mark.parametrize("validated", [False, True])
def test_dwa_takes_the_mean_losses_of_the_epochs_of_fit(validated: bool) -> None:
    model = make_model(DWA())
    assert isinstance(model.balancer, DWABalancer)
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    fitted = model.fit(
        data, validation_data=data if validated else None, epochs=4, verbose=0, shuffle=False
    )
    history = {n: np.array(v) for n, v in fitted.history.items()}
    model.reset_metrics()
    np.testing.assert_allclose(model.balancer.last.numpy()[1], history["b_loss"][3], rtol=1e-5)
    np.testing.assert_allclose(model.balancer.before.numpy()[1], history["b_loss"][2], rtol=1e-5)
    assert model.balancer.last.numpy()[2] == 0
    np.testing.assert_allclose(history["b_weight"][:2], 1, rtol=0.35)
    assert history["b_weight"][3] != pytest.approx(history["b_weight"][0], abs=1e-6)
    assert np.all(np.isnan(history["c_weight"]))


@pytest.mark.parametrize("method", [ExcessMTL(), DBMTL(), RLW(), STCH()], ids=lambda m: m.name)
def test_training_moves_the_methods_state_which_checkpoints_hold(method: Balancing) -> None:
    model = make_model(method)
    before = [np.array(v) for v in model.balancer.variables]
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(12)
    history = model.fit(data, epochs=3, verbose=0, shuffle=False).history
    assert all(
        np.any(np.array(v) != b) for v, b in zip(model.balancer.variables, before, strict=True)
    )
    held = {id(v) for v in model.weights}
    assert all(id(v) in held for v in model.balancer.variables)
    weights = [history[f"{name}_weight"][-1] for name in "ab"]
    assert np.all(np.array(weights) > 0)
    if not isinstance(method, DBMTL):
        assert sum(weights) == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize("method", [DWA(), STCH(), RLW(), FAMO()], ids=lambda m: m.name)
def test_training_goes_on_from_what_checkpoints_hold(method: Balancing) -> None:
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    whole = make_model(method).fit(data, epochs=4, verbose=0, shuffle=False).history
    first, second = make_model(method), make_model(method)
    first.fit(data, epochs=2, verbose=0, shuffle=False)
    second.set_weights(first.get_weights())
    rest = second.fit(data, initial_epoch=2, epochs=4, verbose=0, shuffle=False).history
    for name in ("b_weight", "b_loss"):
        assert rest[name] == whole[name][2:]
