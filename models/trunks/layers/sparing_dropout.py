"""Dropout from 16 random bits per value. Importing this module imports TensorFlow.

Keras draws 32 bits per value and makes a floating-point number of them, which takes a sixth of a
step of a small network on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable

from models.lazy import keras, tf

LEVELS = 1 << 16


def spare_random_bits(model: keras.Model) -> None:
    """Let the dropout layers of a model draw fewer random bits.

    The rate is rounded to a multiple of 1/65,536; values that stay are divided by the share that
    stays. The state of a layer's seed changes as Keras changes it, so training resumes as before.
    On a GPU, where random bits cost nothing, the layers are left to Keras.
    """
    if keras.config.backend() == "tensorflow" and not tf.config.list_physical_devices("GPU"):
        for layer in model._flatten_layers():
            if type(layer) is keras.layers.Dropout and 0 < layer.rate < 1 and not layer.noise_shape:
                layer.call = _sparing(layer, layer.call)


def _sparing(
    layer: keras.layers.Dropout, call: Callable[..., tf.Tensor]
) -> Callable[..., tf.Tensor]:
    dropped = round(layer.rate * LEVELS)
    scale = LEVELS / (LEVELS - dropped)

    def sparing(x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or not tf.is_tensor(x):
            return call(x, training=training)
        size = tf.size(x)
        seed = tf.cast(layer.seed_generator.next(), tf.int64)
        pairs = tf.random.stateless_uniform([(size + 1) // 2], seed, None, None, tf.int32)
        levels = tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[:size]
        kept = tf.reshape(levels >= tf.constant(dropped, tf.uint16), tf.shape(x))
        return x * tf.cast(kept, x.dtype) * tf.cast(scale, x.dtype)

    return sparing
