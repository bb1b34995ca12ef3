"""Bounds the memory of weights that are stored in a smaller type than they compute in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.lazy import Tensor, keras, tf


def cast_late(model: keras.Model) -> None:
    """Let each layer of a functional model cast its weights when its input is there.

    Otherwise TensorFlow casts the weights of all layers at once, because their casts wait for
    nothing, and holds a whole second copy of the model. Other backends keep their own order.
    """
    if keras.config.backend() != "tensorflow":
        return
    for layer in model.layers:
        if layer.weights and layer.compute_dtype != layer.variable_dtype:
            layer.call = _after_input(layer.call)


def _after_input(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def after_input(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not tf.is_tensor(x):  # while the model is built
            return call(x, *args, **kwargs)
        with tf.control_dependencies([x]):
            return call(x, *args, **kwargs)

    return after_input
