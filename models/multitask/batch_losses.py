"""Losses and metrics of all tasks on one batch. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.lazy import keras, tf
from models.tasks.heads.head import Head
from models.tasks.heads.losses import filled, masked_mean, present

Tensors = Mapping[str, keras.KerasTensor]
"""Tensors [batch, ...] by the name of a feature or a task."""


@dataclass(frozen=True)
class BatchLosses:
    """Losses and metric totals of all tasks.

    losses: float32 [tasks], means over the labelled rows. rows: float32 [tasks], number of labelled
        rows. totals: for each head, the vector that its metrics add up over an epoch.
    each: the elements of `losses` as separate tensors. The gradient of one of them passes only
        through the tower of its own task.
    """

    losses: tf.Tensor
    rows: tf.Tensor
    totals: list[tf.Tensor]
    each: list[tf.Tensor]

    @property
    def present(self) -> tf.Tensor:
        """float32 [tasks]: 1 for tasks that have a labelled row in the batch, else 0."""
        return keras.ops.minimum(self.rows, 1.0)


def batch_losses(heads: tuple[Head, ...], labels: Tensors, outputs: Tensors) -> BatchLosses:
    losses, rows, totals = [], [], []
    for head in heads:
        name = head.target.name
        labelled = present(labels[name])
        known = filled(labels[name], labelled)
        losses.append(masked_mean(head.row_losses(known, outputs[name]), labelled))
        rows.append(keras.ops.sum(labelled))
        totals.append(head.totals(known, keras.ops.stop_gradient(outputs[name]), labelled))
    return BatchLosses(keras.ops.stack(losses), keras.ops.stack(rows), totals, losses)
