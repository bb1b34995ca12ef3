"""Cuts off the padding that all texts of a batch share. Importing this imports TensorFlow."""

from __future__ import annotations

from models.lazy import Tensor, keras, tf


class SkipsPadding(keras.layers.Layer):  # type: ignore[misc]
    """A layer that leaves out token ids which are padding.

    pad: the padding id. enabled: if false, it leaves out none; read when the layer is called or
    traced. XLA needs false, because it only supports static shapes.
    """

    def __init__(self, pad: int, name: str) -> None:
        super().__init__(name=name)
        self.pad, self.enabled = pad, True


class Trim(SkipsPadding):
    """Shortens int32 [batch, length] to the length of the longest text in the batch, at least 1."""

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


def trimming(trunk: keras.Model) -> list[SkipsPadding]:
    """The layers of a trunk that leave out padding."""
    return [la for la in trunk._flatten_layers() if isinstance(la, SkipsPadding)]
