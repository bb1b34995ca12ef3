"""Optimizers with rates, against plain Keras optimizers on the same gradients."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from models.lazy import keras
from models.optimizers.schedule_free import ScheduleFree
from models.optimizers.variable_rates import VariableRate, with_variable_rates

GRADIENTS = np.random.default_rng(0).normal(size=(9, 3)).astype("float32")
OPTIMIZERS = {
    "adam": (keras.optimizers.Adam, {}),
    "adamw": (keras.optimizers.AdamW, {"weight_decay": 0.1}),
    "lion": (keras.optimizers.Lion, {"weight_decay": 0.1}),
    "schedule_free_adamw": (ScheduleFree, {"weight_decay": 0.1}),
    "sgd": (keras.optimizers.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
}


def plain(name: str, rate: float, first: int = 0) -> np.ndarray:
    """A variable after plain steps that begin at step `first`."""
    cls, arguments = OPTIMIZERS[name]
    v = keras.Variable(np.ones(3, "float32"))
    optimizer = cls(learning_rate=rate, **arguments)
    for g in GRADIENTS[first:]:
        optimizer.apply([keras.ops.convert_to_tensor(g)], [v])
    return np.asarray(v)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_and_late_starts(name: str) -> None:
    cls, arguments = OPTIMIZERS[name]
    head, slow, late = (keras.Variable(np.ones(3, "float32")) for _ in range(3))
    rates = [VariableRate(), VariableRate(rate=0.1), VariableRate(first_step=4)]
    optimizer = with_variable_rates(cls)(learning_rate=0.2, rates=rates, **arguments)
    optimizer.build([head, slow, late])
    for step, g in enumerate(GRADIENTS):
        training = [head, slow, *([late] if step >= 4 else [])]
        optimizer.apply([keras.ops.convert_to_tensor(g)] * len(training), training)
    np.testing.assert_allclose(head, plain(name, 0.2), rtol=1e-5)
    np.testing.assert_allclose(slow, plain(name, 0.02), rtol=1e-5)
    np.testing.assert_allclose(late, plain(name, 0.2, first=4), rtol=1e-5)


def _apply(optimizer: Any, variable: Any, gradient: Any) -> None:
    optimizer.apply([gradient], [variable])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_in_a_graph_with_a_schedule(name: str) -> None:
    import tensorflow as tf

    cls, arguments = OPTIMIZERS[name]
    found = []
    for make in (cls, lambda **kw: with_variable_rates(cls)(rates=[VariableRate()], **kw)):
        v = keras.Variable(np.ones(3, "float32"))
        rate = keras.optimizers.schedules.CosineDecay(0.2, 9)
        optimizer = make(learning_rate=rate, **arguments)
        optimizer.build([v])
        step = tf.function(partial(_apply, optimizer, v))
        for g in GRADIENTS:
            step(tf.constant(g))
        found.append(np.asarray(v))
    np.testing.assert_allclose(found[1], found[0], rtol=2e-5)  # see models.optimizers.fused_adam


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_that_occur_twice_count_as_their_sum(name: str, clip: float | None) -> None:
    """The gradient of an embedding comes in slices; plain Keras squares each slice separately."""
    import tensorflow as tf

    cls, arguments = OPTIMIZERS[name]
    arguments = arguments | {"global_clipnorm": clip}
    rows, whole = (keras.Variable(np.ones((4, 3), "float32")) for _ in range(2))
    rates = [VariableRate()]
    in_slices = with_variable_rates(cls)(learning_rate=0.2, rates=rates, **arguments)
    dense = cls(learning_rate=0.2, **arguments)
    for step in range(3):
        slices = tf.IndexedSlices(GRADIENTS[step : step + 3], [0, 0, 2], [4, 3])
        in_slices.apply([slices], [rows])
        dense.apply([tf.convert_to_tensor(slices)], [whole])
    np.testing.assert_allclose(rows, whole, rtol=2e-5)
