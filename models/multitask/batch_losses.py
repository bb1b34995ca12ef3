"""Losses and metrics of all tasks on one batch. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.lazy import keras, tf
from models.tasks.heads.head import Head
from models.tasks.heads.losses import filled, masked_mean, present
from models.trunks.layers.members import mean_of_members

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


def batch_losses(
    heads: tuple[Head, ...], labels: Tensors, outputs: Tensors, members: int = 1
) -> BatchLosses:
    """Losses of raw outputs [batch * members, units].

    A task's loss is the mean of its members' losses, so that each member trains by itself. Metrics
    are those of the mean of the members, which is what is served.
    """
    losses, rows, totals = [], [], []
    for head in heads:
        name = head.target.name
        labelled = present(labels[name])
        known = filled(labels[name], labelled)
        row_losses = head.row_losses(_repeated(known, members), outputs[name])
        losses.append(masked_mean(row_losses, _repeated(labelled, members)))
        rows.append(keras.ops.sum(labelled))
        served = mean_of_members(keras.ops.stop_gradient(outputs[name]), members)
        totals.append(head.totals(known, served, labelled))
    return BatchLosses(keras.ops.stack(losses), keras.ops.stack(rows), totals, losses)


def _repeated(x: keras.KerasTensor, members: int) -> keras.KerasTensor:
    return x if members == 1 else keras.ops.repeat(x, members, axis=0)
