"""What every sharing scheme must hold to; schemes are found, not listed."""

from __future__ import annotations

import numpy as np
import pytest

from models.discovery import methods
from models.features import NumericFeature
from models.lazy import keras, tf
from models.sharing.base import Sharing
from models.trunks.scratch import Scratch

SCHEMES = methods("models.sharing", Sharing)
FEATURES = (NumericFeature(name="x", column="x", mean=0, deviation=1),)
TASKS = ("a", "b", "c")


def make_trunk() -> keras.Model:
    return Scratch(width=8, dropout=0).build(FEATURES)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_task_gets_a_representation(name: str) -> None:
    shared = SCHEMES[name]().build(make_trunk, TASKS)
    found = shared.branches(shared.trunk({"x": np.ones(5, np.float32)}))
    assert set(found) == set(TASKS)
    assert {tuple(v.shape) for v in found.values()} == {(5, 8)}


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("task", TASKS)
def test_every_task_trains_a_trunk(name: str, task: str) -> None:
    shared = SCHEMES[name]().build(make_trunk, TASKS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(shared.branches(shared.trunk({"x": tf.constant([1.0, -2.0])}))[task])
    gradients = tape.gradient(loss, shared.trunk.trainable_variables)
    assert any(g is not None and np.abs(g).max() > 0 for g in gradients)
