"""Averages of weights, against NumPy."""

from __future__ import annotations

import numpy as np

from models.lazy import keras, tf
from models.optimizers.weight_average import LastEpochs, MovingAverage

VALUES = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


def test_a_moving_average_forgets_the_first_weights() -> None:
    weight = keras.Variable(np.full(3, 100.0, np.float32))
    average = MovingAverage([weight], momentum=0.4)
    step = tf.function(average.after_step)
    expected = np.zeros(3)
    for t, value in enumerate(VALUES):
        weight.assign(value)
        step()
        momentum = min(0.4, t / (t + 9))
        expected = momentum * expected + (1 - momentum) * value
        np.testing.assert_allclose(average.values()[0], expected, rtol=1e-5)


def test_the_mean_of_the_last_epochs() -> None:
    weight = keras.Variable(np.zeros(3, np.float32))
    average = LastEpochs([weight], count=3)
    for epoch, value in enumerate(VALUES):
        weight.assign(value)
        average.after_epoch()
        expected = VALUES[max(0, epoch - 2) : epoch + 1].mean(axis=0)
        np.testing.assert_allclose(average.values()[0], expected, rtol=1e-5)


def test_the_state_is_all_in_variables() -> None:
    weight = keras.Variable(np.zeros(3, np.float32))
    for make in (lambda: MovingAverage([weight], 0.9), lambda: LastEpochs([weight], 2)):
        first, second = make(), make()
        for value in VALUES[:3]:
            weight.assign(value)
            first.after_step()
            first.after_epoch()
        for mine, theirs in zip(second.variables, first.variables, strict=True):
            mine.assign(np.asarray(theirs))
        for average in (first, second):
            average.after_step()
            average.after_epoch()
        np.testing.assert_array_equal(second.values()[0], first.values()[0])
