"""Texts of about the same length in one batch, so that a trunk that trims computes little padding.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import numpy as np

from models.lazy import tf

GROUP = 8
"""Batches whose rows are sorted by length, all together: more would save little padding and make
batches more alike."""


class LengthGroups:
    """Reorders rows drawn at random: in every `GROUP` batches sorted, then the batches shuffled
    (as `group_by_length` of Hugging Face's Trainer does, there in 50 batches).

    lengths: int [rows], of all rows.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int) -> None:
        self._lengths = tf.constant(lengths, tf.int32)
        self._longest = int(lengths.max(initial=0))
        self._batch_size = batch_size

    def __call__(self, order: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """int32 [n] to int32 [n], batch after batch; a batch that is not full comes last.

        seed: int64 [2], of the batches' order.
        """
        group = tf.range(tf.size(order)) // (GROUP * self._batch_size)
        lengths = self._longest - tf.gather(self._lengths, order)
        keys = tf.cast(group, tf.int64) * (self._longest + 1) + tf.cast(lengths, tf.int64)
        grouped = tf.gather(order, tf.argsort(keys, stable=True))
        whole = tf.size(order) // self._batch_size
        batches = tf.reshape(grouped[: whole * self._batch_size], (whole, self._batch_size))
        shuffled = tf.random.experimental.stateless_shuffle(batches, seed)
        return tf.concat([tf.reshape(shuffled, [-1]), grouped[whole * self._batch_size :]], 0)
