"""Long texts in windows, of which only those with text are computed. Importing this imports
TensorFlow.
"""

from __future__ import annotations

from models.lazy import Tensor, keras, tf
from models.trunks.layers.trim_padding import SkipsPadding


class TakeWindows(SkipsPadding):
    """From int32 [batch, windows, length] to the windows that hold text, of all texts together, and
    to their positions among all windows: int32 [taken, length] and [taken].

    The first window of a text is always taken. If not enabled, all windows are.
    """

    def call(self, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count, length = ids.shape[1:]
        rows = tf.reshape(ids, [-1, length])
        positions = tf.range(tf.shape(rows)[0])
        if not self.enabled or keras.config.backend() != "tensorflow":
            return rows, positions
        holds = tf.reduce_any(tf.not_equal(rows, self.pad), axis=1) | (positions % count == 0)
        return tf.boolean_mask(rows, holds), tf.boolean_mask(positions, holds)

    def compute_output_spec(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        return (
            keras.KerasTensor((None, ids.shape[2]), dtype=ids.dtype),
            keras.KerasTensor((None,), dtype="int32"),
        )


class PutBack(keras.layers.Layer):  # type: ignore[misc]
    """From what was computed for each taken window, [taken, width], to [batch, windows, width]; it
    is 0 for the windows that were not taken.
    """

    def call(self, x: tf.Tensor, positions: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """ids: int32 [batch, windows, length], of which `TakeWindows` made the positions."""
        count, width = ids.shape[1], x.shape[-1]
        all_windows = tf.shape(ids)[0] * count
        x = tf.scatter_nd(positions[:, None], x, tf.stack([all_windows, width]))
        return tf.reshape(x, [-1, count, width])

    def compute_output_spec(self, x: Tensor, positions: Tensor, ids: Tensor) -> Tensor:
        return keras.KerasTensor((ids.shape[0], ids.shape[1], x.shape[-1]), dtype=x.dtype)


def pooled_windows(x: Tensor, tokens: Tensor, how: str) -> Tensor:
    """Pools [batch, windows, width] to [batch, width]: the `mean`, in which a window counts as much
    as it has tokens, or the `max`. Zero for a text without tokens.

    tokens: int32 [batch, windows], the number of tokens in each window; 0 if it holds no text.
    """
    ops = keras.ops
    if how == "max":
        present = ops.expand_dims(ops.cast(ops.greater(tokens, 0), x.dtype), -1)
        return ops.max(x + (present - 1) * _ABSENT, axis=1) * ops.max(present, axis=1)
    total = ops.maximum(ops.sum(tokens, axis=1, keepdims=True), 1)
    weights = ops.cast(tokens, "float32") / ops.cast(total, "float32")
    return ops.sum(x * ops.cast(ops.expand_dims(weights, -1), x.dtype), axis=1)


_ABSENT = 1e4
"""Subtracted from windows that hold no text, so that no maximum takes them; float16 can hold it."""
