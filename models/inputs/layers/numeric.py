"""Standardising and binning of numbers."""

from __future__ import annotations

from models.inputs.layers.base import FIRST, MISSING, Stateless
from models.inputs.numeric import NumericFeature
from models.lazy import tf


class NumericPreprocessing(Stateless[NumericFeature]):
    """float32 [batch] of zero mean and unit standard deviation over the training split; with
    `boundaries` int32 [batch], the id of the bin.
    """

    def apply(self, feature: NumericFeature, raw: tf.Tensor, state: None) -> tf.Tensor:
        if feature.boundaries:
            bins = tf.searchsorted(tf.constant(feature.boundaries, tf.float32), raw, side="right")
            return tf.where(tf.math.is_nan(raw), MISSING, FIRST + bins)
        if feature.log:
            raw = tf.sign(raw) * tf.math.log1p(tf.abs(raw))
        scaled = (raw - feature.mean) / feature.deviation
        if feature.limit:
            beyond = tf.maximum(tf.abs(scaled) - feature.limit, 0.0)
            compressed = tf.sign(scaled) * (feature.limit + tf.math.log1p(beyond))
            scaled = tf.where(beyond > 0, compressed, scaled)
        if feature.knots:
            return scaled
        return tf.where(tf.math.is_nan(scaled), tf.zeros_like(scaled), scaled)
