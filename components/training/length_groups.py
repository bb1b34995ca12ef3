"""Batches of texts of similar length, so that a trunk that trims padding computes little of it.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import numpy as np

from models.lazy import tf

GROUP = 8
"""Number of batches that are sorted by length together. More would save little padding and make
batches differ more from each other."""


class LengthGroups:
    """Reorders shuffled rows: sorts each `GROUP` of batches by length, then shuffles the batches.

    `group_by_length` of Hugging Face's Trainer does the same with groups of 50 batches.

    lengths: int [rows], token counts of all rows.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int) -> None:
        self._lengths = tf.constant(lengths, tf.int32)
        self._longest = int(lengths.max(initial=0))
        self._batch_size = batch_size

    def __call__(self, order: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Reorder row indices, int32 [n]. An incomplete batch comes last.

        seed: int64 [2], for the order of the batches.
        """
        group = tf.range(tf.size(order)) // (GROUP * self._batch_size)
        lengths = self._longest - tf.gather(self._lengths, order)
        keys = tf.cast(group, tf.int64) * (self._longest + 1) + tf.cast(lengths, tf.int64)
        grouped = tf.gather(order, tf.argsort(keys, stable=True))
        whole = tf.size(order) // self._batch_size
        batches = tf.reshape(grouped[: whole * self._batch_size], (whole, self._batch_size))
        shuffled = tf.random.experimental.stateless_shuffle(batches, seed)
        return tf.concat([tf.reshape(shuffled, [-1]), grouped[whole * self._batch_size :]], 0)
