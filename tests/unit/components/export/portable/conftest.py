"""A core of one dense layer, with names and weights of its own."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from components.export.portable.base import Core


class Sample(NamedTuple):
    core: Core
    rows: dict[str, np.ndarray]
    expected: np.ndarray


@pytest.fixture(scope="session")
def sample() -> Sample:
    """From 4 numbers and 2 bytes a row to 3 probabilities."""
    import tensorflow as tf

    draw = np.random.default_rng(0)
    module = tf.Module()
    module.kernel = tf.Variable(draw.normal(size=(6, 3)).astype(np.float32))

    def compute(inputs: Any) -> dict[str, Any]:
        x = tf.concat([inputs["x"], tf.cast(inputs["pixels"], tf.float32) / 255], axis=1)
        return {"y.p": tf.nn.softmax(x @ module.kernel)}

    rows = {
        "x": draw.normal(size=(32, 4)).astype(np.float32),
        "pixels": draw.integers(0, 256, (32, 2)).astype(np.uint8),
    }
    core = Core(compute, module, {"x": (4,), "pixels": (2,)}, {"x": "float32", "pixels": "uint8"})
    x = np.concatenate([rows["x"], rows["pixels"] / 255], axis=1) @ module.kernel.numpy()
    odds = np.exp(x)
    return Sample(core, rows, odds / odds.sum(axis=1, keepdims=True))
