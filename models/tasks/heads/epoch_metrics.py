"""Metrics from additive totals: a vector per batch, summed over an epoch, read once at its end.

A histogram of logits takes the place of Keras's 200 thresholds: updating it costs one scatter-add,
its bins are fine where probabilities are near 0 and 1, and totals of batches, replicas and workers
simply add up.
"""

from __future__ import annotations

import numpy as np

from models.lazy import keras

BINS = 1024
LARGEST_LOGIT = 16.0
"""Logits beyond are counted in the outermost bins: probabilities within 1e-7 of 0 or 1."""


def logit_histogram(
    labels: keras.KerasTensor, logits: keras.KerasTensor, present: keras.KerasTensor
) -> keras.KerasTensor:
    """Counts float32 [2 x BINS]: logits of negatives, then of positives.

    labels: [batch] of 0 and 1. logits: float32 [batch]. present: float32 [batch], 0 or 1.
    """
    ops = keras.ops
    position = (logits + LARGEST_LOGIT) * (BINS / (2 * LARGEST_LOGIT))
    bins = ops.cast(ops.clip(ops.floor(position), 0, BINS - 1), "int32")
    segments = bins + BINS * ops.cast(labels, "int32")
    return ops.segment_sum(present, segments, num_segments=2 * BINS)


def auc(histogram: np.ndarray) -> float:
    """Area under the ROC curve; logits within a bin count as ties. NaN without both classes.

    histogram: [2, BINS].
    """
    negatives, positives = histogram.astype(np.float64)
    below = np.cumsum(negatives) - negatives / 2
    pairs = negatives.sum() * positives.sum()
    return float(positives @ below / pairs) if pairs else float("nan")


def accuracy(histogram: np.ndarray) -> float:
    """Share of rows on the right side of probability 0.5. histogram: [2, BINS]."""
    negatives, positives = histogram
    right = negatives[: BINS // 2].sum() + positives[BINS // 2 :].sum()
    return ratio(right, histogram.sum())


def ratio(total: float, count: float) -> float:
    """Quotient of a total and its count; NaN where nothing was counted."""
    return float(total / count) if count else float("nan")
