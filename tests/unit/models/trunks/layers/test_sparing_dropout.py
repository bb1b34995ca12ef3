"""Dropout from 16 random bits per value."""

from __future__ import annotations

import numpy as np
import pytest

from models.lazy import keras, tf
from models.trunks.layers.sparing_dropout import spare_random_bits


def network(rate: float, dtype: str = "float32") -> keras.Model:
    x = keras.Input((333,), dtype="float32")
    return keras.Model(x, keras.layers.Dropout(rate, seed=5, dtype=dtype, name="drop")(x))


def sparing(rate: float, dtype: str = "float32") -> keras.Model:
    model = network(rate, dtype)
    spare_random_bits(model)
    return model


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_it_drops_a_share_and_keeps_the_mean(rate: float) -> None:
    outputs = np.asarray(sparing(rate)(np.ones((999, 333), np.float32), training=True))
    assert np.mean(outputs == 0) == pytest.approx(rate, abs=0.005)
    assert np.unique(outputs) == pytest.approx([0, 1 / (1 - rate)], rel=1e-3)
    assert np.mean(outputs) == pytest.approx(1, abs=0.02)
    neighbours = np.corrcoef(outputs[:, :-1].ravel(), outputs[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.01


def test_each_step_has_its_own_values_which_the_state_of_the_seed_determines() -> None:
    ones, model = np.ones((7, 333), np.float32), sparing(0.5)
    generator = model.get_layer("drop").seed_generator
    first, state = np.asarray(model(ones, training=True)), np.asarray(generator.state)
    second = np.asarray(model(ones, training=True))
    assert (first != second).mean() == pytest.approx(0.5, abs=0.05)
    generator.state.assign(state)
    np.testing.assert_array_equal(model(ones, training=True), second)
    plain = network(0.5)
    plain(ones, training=True)
    np.testing.assert_array_equal(plain.get_layer("drop").seed_generator.state, state)


def test_the_gradient_passes_where_values_stayed() -> None:
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 333)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = sparing(0.25)(x, training=True)
    factor = np.where(np.asarray(y) == 0, 0, 1 / 0.75)
    np.testing.assert_allclose(tape.gradient(y, x), factor, rtol=1e-6)


def test_inference_and_bfloat16() -> None:
    x = np.ones((5, 333), np.float32)
    np.testing.assert_array_equal(sparing(0.5)(x), x)
    outputs = sparing(0.5, "bfloat16")(x, training=True)
    assert outputs.dtype == tf.bfloat16
    assert set(np.asarray(tf.cast(outputs, tf.float32)).ravel()) == {0.0, 2.0}
