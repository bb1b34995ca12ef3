"""Losses of single rows, and their mean over the rows that carry the label. `keras.ops` only.

Missing labels are replaced by a safe value *before* a loss sees them: a NaN multiplied by zero is
still NaN, in the loss and in its gradient. The mean is over labelled rows. Keras divides by the
batch size instead; then the loss of a task with few labels, and its weight in a balancing method,
would depend on how many labels happen to be missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from models.lazy import Tensor, keras

ops = keras.ops
SMALLEST = 1e-7
"""Of 1 - p in a focal factor: the gradient of a power below 1 has no limit at 0."""


def masked_mean(rows: Tensor, present: Tensor) -> Tensor:
    """Mean of `rows` [batch] by the weights `present` [batch] (float32, 0 to 1); 0 without any."""
    return ops.sum(rows * present) / ops.maximum(ops.sum(present), 1.0)


def present(labels: Tensor) -> Tensor:
    """float32 [batch]: 1 for labelled rows, 0 where the label is missing (NaN, or -1 for integers).

    labels: [batch] or [batch, classes].
    """
    if "int" in keras.backend.standardize_dtype(labels.dtype):
        return ops.cast(labels >= 0, "float32")
    known = ops.logical_not(ops.isnan(labels))
    inner = tuple(range(1, len(labels.shape)))
    return ops.cast(ops.all(known, axis=inner) if inner else known, "float32")


def filled(labels: Tensor, present: Tensor) -> Tensor:
    """`labels` [batch, ...] with 0 in the rows that are not `present` ([batch], 0 or 1)."""
    rows = present[(..., *(None for _ in labels.shape[1:]))]
    return ops.where(ops.cast(rows, "bool"), labels, ops.zeros_like(labels))


def binary_crossentropy(
    labels: Tensor,
    logits: Tensor,
    weights: Iterable[Any] | None = None,
    focal: float = 0.0,
    smoothing: float = 0.0,
) -> Tensor:
    """-log p(label), elementwise, from logits; labels 0 or 1.

    weights: of 0 and of 1. focal, smoothing: see `models.tasks.base`. With both, the losses of yes
    and of no have their own focal factors, and the smoothed label is their share.
    """
    soft = labels * (1.0 - smoothing) + 0.5 * smoothing if smoothing else labels
    elements = ops.relu(logits) - logits * soft + ops.log1p(ops.exp(-ops.abs(logits)))
    if focal:
        yes, no = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
        of_yes, of_no = ops.exp(focal * no) * yes, ops.exp(focal * yes) * no
        elements = -(soft * of_yes + (1.0 - soft) * of_no)
    if weights is None:
        return elements
    negative, positive = weights
    return elements * (negative + (positive - negative) * labels)


def categorical_crossentropy(
    labels: Tensor, logits: Tensor, focal: float = 0.0, smoothing: float = 0.0
) -> Tensor:
    """-log p(label) [batch] from int labels [batch] and logits [batch, classes].

    focal, smoothing: see `models.tasks.base`. With both, the loss of each class has its own focal
    factor.
    """
    log_probabilities = ops.log_softmax(logits, axis=-1)
    shares = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    if smoothing:
        shares = shares * (1.0 - smoothing) + smoothing / logits.shape[-1]
    if focal:
        others = ops.maximum(-ops.expm1(log_probabilities), SMALLEST)
        shares = shares * ops.power(others, focal)
    return -ops.sum(shares * log_probabilities, axis=-1)


def squared_error(labels: Tensor, predictions: Tensor) -> Tensor:
    return ops.square(predictions - labels)


def huber(labels: Tensor, predictions: Tensor) -> Tensor:
    """Half the squared error up to a distance of 1, linear beyond (Huber 1964)."""
    distance = ops.abs(predictions - labels)
    return ops.where(distance <= 1.0, 0.5 * ops.square(distance), distance - 0.5)
