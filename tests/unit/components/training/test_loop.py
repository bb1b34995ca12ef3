"""The training loop computes what Keras's `fit` computes, however many steps a call runs."""

from __future__ import annotations

import numpy as np
import pytest

from components.training import loop
from components.training.dataset import evaluation_batches, training_batches
from components.training.loop import Loop
from components.training.rows import Rows
from models.balancing.loss_based.uncertainty import Uncertainty
from models.inputs.numeric import NumericFeature
from models.lazy import keras, tf
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from tests.shared import SMALL

FEATURES = tuple(NumericFeature(name=n, column="", mean=0, deviation=1) for n in ("a", "b"))


def rows() -> Rows:
    rng = np.random.default_rng(0)
    features = {f.name: rng.normal(size=70).astype(np.float32) for f in FEATURES}
    return Rows(features, {t: (features[t] > 0).astype(np.float32) for t in ("a", "b")})


def made() -> tuple[MultitaskModel, tf.data.Dataset, tf.Variable]:
    keras.utils.set_random_seed(0)
    targets = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in ("a", "b"))
    model = MultitaskModel(FEATURES, targets, SMALL, Hard(), Uncertainty())
    model.compile(keras.optimizers.Adam(0.01))
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    return model, training_batches(rows(), 8, 0, epoch), epoch


def test_it_ends_in_the_middle_of_an_epoch_when_its_time_is_over() -> None:
    model, batches, _ = made()
    reported = list[int]()
    Loop(model).train(batches, reported.append, until=0.0)
    assert reported == [1]
    assert int(model.optimizer.iterations) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1e-9, 1e9], ids=["a step a call", "many steps a call"])
def test_it_equals_fit(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", seconds)
    model, batches, epoch = made()
    validation, found, reported = evaluation_batches(rows(), 16), [], list[int]()
    own = Loop(model)
    for number in range(2):
        epoch.assign(number)
        figures = own.train(batches, reported.append)
        found.append(figures | {f"val_{n}": v for n, v in own.evaluate(validation).items()})
    assert reported[-1] == 9
    assert (len(reported) == 18) == (seconds < 1)

    other, batches, epoch = made()
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda e, logs: epoch.assign(e))
    options = {"epochs": 2, "verbose": 0, "shuffle": False, "callbacks": [begin]}
    fitted = other.fit(batches, validation_data=validation, **options).history
    for name, values in fitted.items():
        assert [f[name] for f in found] == pytest.approx(values, rel=1e-5), name
    for mine, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)
