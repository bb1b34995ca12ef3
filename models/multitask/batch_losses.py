"""Losses and metrics of all tasks on one batch. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from models.lazy import keras, tf
from models.multitask import replicas
from models.tasks.heads.head import Head
from models.tasks.heads.losses import filled, masked_mean, present
from models.trunks.layers.members import mean_of_members

Tensors = Mapping[str, keras.KerasTensor]
"""Tensors [batch, ...] by the name of a feature or a task."""
TINY = 1e-7
OWN_SHARE = "own share"
"""Beside the labels of mixed images, float32 [batch] from 0.5 to 1: the share of the row itself;
the rest is of the next row. No task has this name, because names of tasks hold no space.
"""


@dataclass(frozen=True)
class BatchLosses:
    """Losses and metric totals of all tasks.

    losses: float32 [tasks], means over the labelled rows. rows: float32 [tasks], number of labelled
        rows; of mixed images those with one label or two.
    totals: for each head, the vector that its metrics add up over an epoch.
    weights: float32 [tasks], sums of what the rows count in the means.
    each: the elements of `losses` as separate tensors. The gradient of one of them passes only
        through the tower of its own task.
    """

    losses: tf.Tensor
    rows: tf.Tensor
    totals: list[tf.Tensor]
    weights: tf.Tensor
    each: list[tf.Tensor]

    @property
    def present(self) -> tf.Tensor:
        """float32 [tasks]: 1 for tasks that have a labelled row in the batch, else 0."""
        return keras.ops.minimum(self.rows, 1.0)

    def over_replicas(self) -> BatchLosses:
        """The losses and rows of the whole batch, of which each replica has a part.

        `each` has this replica's shares: they sum to `losses` over the replicas, and their
        gradients to the gradients of the losses. `totals` and `weights` stay those of the part.
        """
        if replicas.count() == 1:
            return self
        rows, weights = replicas.totals([self.rows, self.weights])
        shares = tf.maximum(self.weights, 1.0) / tf.maximum(weights, 1.0)
        each = [s * loss for s, loss in zip(tf.unstack(shares), self.each, strict=True)]
        losses = replicas.total_of_shares(tf.stack(each))
        return replace(self, losses=losses, rows=rows, each=each)


def batch_losses(
    heads: tuple[Head, ...], labels: Tensors, outputs: Tensors, members: int = 1
) -> BatchLosses:
    """Losses of raw outputs [batch * members, units].

    A task's loss is the mean of its members' losses, so that each member trains by itself. Metrics
    are those of the mean of the members, which is what is served.

    If `labels` hold `OWN_SHARE`, the loss of a row is that of its own label and of the next row's,
    each times its share. Metrics are those of its own label, which has the larger share.
    """
    losses, rows, totals, sums = [], [], [], []
    shares = labels.get(OWN_SHARE)
    for head in heads:
        name = head.target.name
        labelled = present(labels[name])
        known = filled(labels[name], labelled)
        row_losses = head.row_losses(_repeated(known, members), outputs[name])
        weights = labelled
        if shares is not None:
            others = head.row_losses(_repeated(_next(known), members), outputs[name])
            own, other = shares * labelled, (1.0 - shares) * _next(labelled)
            weights = own + other
            share = _repeated(own / keras.ops.maximum(weights, TINY), members)
            row_losses = share * row_losses + (1.0 - share) * others
        repeated = _repeated(weights, members)
        losses.append(masked_mean(row_losses, repeated))
        sums.append(keras.ops.sum(repeated))
        rows.append(keras.ops.sum(keras.ops.ceil(weights)))
        served = mean_of_members(keras.ops.stop_gradient(outputs[name]), members)
        totals.append(head.totals(known, served, labelled))
    stack = keras.ops.stack
    return BatchLosses(stack(losses), stack(rows), totals, stack(sums), losses)


def _next(rows: keras.KerasTensor) -> keras.KerasTensor:
    """The value of the next row, [batch, ...]; that of the first row for the last one."""
    return keras.ops.roll(rows, -1, axis=0)


def _repeated(x: keras.KerasTensor, members: int) -> keras.KerasTensor:
    if members == 1:
        return x
    # three operations, where `repeat` traces two dozen
    return keras.ops.reshape(keras.ops.stack([x] * members, axis=1), (-1, *x.shape[1:]))
