"""The loss of pairs of rows, in `keras.ops`."""

from __future__ import annotations

from models.lazy import Tensor, keras


def pair_loss(vectors: Tensor, classes: Tensor) -> Tensor:
    """Half of the mean of (cosine - 1)² over pairs of one class, plus half of the mean of cosine²
    over pairs of two classes: float32 scalar (Tunstall et al. 2022, section 3, with the
    CosineSimilarityLoss of sentence-transformers). A sort without any pair counts as 0.

    vectors: [batch, width]. classes: integers [batch], -1 for rows without a label, which have no
        pairs.
    """
    ops = keras.ops
    unit = ops.normalize(ops.cast(vectors, "float32"), axis=-1, epsilon=1e-12)
    cosine = ops.matmul(unit, ops.transpose(unit))
    known, row = classes >= 0, ops.cumsum(ops.ones_like(classes))
    pair = ops.logical_and(known[:, None], known[None, :])
    pair = ops.logical_and(pair, row[:, None] != row[None, :])
    equal = classes[:, None] == classes[None, :]
    same = ops.cast(ops.logical_and(pair, equal), "float32")
    different = ops.cast(pair, "float32") - same
    return (_mean(ops.square(cosine - 1.0), same) + _mean(ops.square(cosine), different)) / 2.0


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return keras.ops.sum(values * weights) / keras.ops.maximum(keras.ops.sum(weights), 1.0)
