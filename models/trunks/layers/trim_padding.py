"""Padding that no text of a batch needs, cut off before the encoder computes it.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

from models.lazy import keras, tf


class Trim(keras.layers.Layer):  # type: ignore[misc]
    """From int32 [batch, length] to [batch, longest], the longest text of the batch, at least 1.

    pad: the id after the end of a text. enabled: when false, the ids pass as they are; read when
    the layer is called or traced. XLA needs it false, as it knows static shapes alone.
    """

    def __init__(self, pad: int, name: str) -> None:
        super().__init__(name=name)
        self.pad, self.enabled = pad, True

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """The ids up to the last that is not padding in all texts."""
        if not self.enabled or keras.config.backend() != "tensorflow":
            return ids
        used = tf.reduce_any(tf.not_equal(ids, self.pad), axis=0)
        ends = tf.where(used, tf.range(1, tf.shape(ids)[1] + 1), 1)
        return ids[:, : tf.reduce_max(ends)]

    def compute_output_spec(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        """[batch, None], whether enabled or not."""
        return keras.KerasTensor((ids.shape[0], None), dtype=ids.dtype)


def trimming(trunk: keras.Model) -> list[Trim]:
    """The layers of a trunk that trim."""
    return [la for la in trunk._flatten_layers() if isinstance(la, Trim)]
