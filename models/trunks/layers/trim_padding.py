"""Cuts off the padding that all texts of a batch share. Importing this imports TensorFlow."""

from __future__ import annotations

from models.lazy import Tensor, keras, tf


class Trim(keras.layers.Layer):  # type: ignore[misc]
    """Shortens int32 [batch, length] to the length of the longest text in the batch, at least 1.

    pad: the padding id. enabled: if false, the ids are returned unchanged; read when the layer is
    called or traced. XLA needs false, because it only supports static shapes.
    """

    def __init__(self, pad: int, name: str) -> None:
        super().__init__(name=name)
        self.pad, self.enabled = pad, True

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """The ids up to the last column with a token that is not padding."""
        if not self.enabled or keras.config.backend() != "tensorflow":
            return ids
        used = tf.reduce_any(tf.not_equal(ids, self.pad), axis=0)
        ends = tf.where(used, tf.range(1, tf.shape(ids)[1] + 1), 1)
        return ids[:, : tf.reduce_max(ends)]

    def compute_output_spec(self, ids: Tensor) -> Tensor:
        """[batch, None], even if not enabled."""
        return keras.KerasTensor((ids.shape[0], None), dtype=ids.dtype)


def trimming(trunk: keras.Model) -> list[Trim]:
    """The `Trim` layers of a trunk."""
    return [la for la in trunk._flatten_layers() if isinstance(la, Trim)]
