"""Casts of weights wait for the input of their layer."""

from __future__ import annotations

import numpy as np

from models.lazy import keras, tf
from models.trunks.layers.late_casts import cast_late
from models.trunks.sources.text_backbone import stored_as


def test_casts_wait_for_the_input() -> None:
    x = inputs = keras.Input((4,))
    for i in range(3):
        x = keras.layers.Dense(4, name=f"d{i}", **stored_as("bfloat16"))(x)
    model = keras.Model(inputs, x)
    batch = np.ones((2, 4), "float32")
    before = model(batch)

    def waiting() -> list[int]:
        """Of each cast of a kernel: the number of operations that it, or its read, waits for."""
        spec = tf.TensorSpec([None, 4], tf.float32)
        graph = tf.function(lambda x: model(x), autograph=False).get_concrete_function(spec).graph
        casts = [op for op in graph.get_operations() if op.type == "Cast"]
        return [len(c.control_inputs) + len(c.inputs[0].op.control_inputs) for c in casts]

    assert not sum(waiting())
    cast_late(model)
    assert len(waiting()) == 6
    assert all(waiting())
    np.testing.assert_array_equal(model(batch), before)
