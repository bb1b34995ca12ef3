"""Metrics from additive totals: a vector per batch, summed over an epoch, read at its end.

A histogram of logits replaces Keras's 200 thresholds. Updating it costs one scatter-add, its bins
stay narrow where probabilities are near 0 or 1, and the totals of batches, replicas and workers
can be added.
"""

from __future__ import annotations

import numpy as np

from models.lazy import Tensor, keras

BINS = 1024
LARGEST_LOGIT = 16.0
"""Larger logits count in the outermost bins: probabilities within 1e-7 of 0 or 1."""


def logit_histogram(labels: Tensor, logits: Tensor, present: Tensor) -> Tensor:
    """Counts, float32 [2 x BINS]: of the logits of negative rows, then of positive rows.

    labels: [batch] of 0 and 1. logits: float32 [batch]. present: float32 [batch], 0 or 1.
    """
    ops = keras.ops
    position = (logits + LARGEST_LOGIT) * (BINS / (2 * LARGEST_LOGIT))
    bins = ops.cast(ops.clip(ops.floor(position), 0, BINS - 1), "int32")
    segments = bins + BINS * ops.cast(labels, "int32")
    return ops.segment_sum(present, segments, num_segments=2 * BINS)


def auc(histogram: np.ndarray) -> float:
    """Area under the ROC curve; logits in the same bin are ties. NaN unless both classes occur.

    histogram: [2, BINS].
    """
    negatives, positives = histogram.astype(np.float64)
    below = np.cumsum(negatives) - negatives / 2
    pairs = negatives.sum() * positives.sum()
    return float(positives @ below / pairs) if pairs else float("nan")


def accuracy(histogram: np.ndarray) -> float:
    """Share of rows on the correct side of probability 0.5. histogram: [2, BINS]."""
    negatives, positives = histogram
    correct = negatives[: BINS // 2].sum() + positives[BINS // 2 :].sum()
    return ratio(correct, histogram.sum())


def sums(present: Tensor, *rows: Tensor) -> Tensor:
    """Float32 [n + 1]: the sum of each of n figures [batch] over present rows, and their number."""
    ops = keras.ops
    return ops.stack([*(ops.sum(figure * present) for figure in rows), ops.sum(present)])


def means(totals: np.ndarray) -> list[float]:
    """The means of the n figures that `sums` has added up; NaN without rows."""
    return [ratio(total, totals[-1]) for total in totals[:-1]]


def ratio(total: float, count: float) -> float:
    """A total divided by its count; NaN if the count is 0."""
    return float(total / count) if count else float("nan")
