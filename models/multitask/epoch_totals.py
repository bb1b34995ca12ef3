"""Sums over an epoch, and the figures that are computed from them. Imports TensorFlow."""

from __future__ import annotations

import numpy as np

from models.lazy import keras, tf
from models.multitask import replicas
from models.multitask.batch_losses import BatchLosses
from models.multitask.gradient_step import conflict_figures
from models.tasks.heads.epoch_metrics import ratio
from models.tasks.heads.head import Head


class EpochTotals(keras.metrics.Metric):  # type: ignore[misc]
    """All sums of an epoch in one vector, so that a step updates only one variable.

    Layout: per task the sum of row losses, the number of labelled rows, the sum of balancing
    weights and the number of steps with a label; then the sum of the objective and the number of
    steps; then `conflict_totals` if the balancing method uses gradients; then the totals of each
    head.
    """

    def __init__(self, heads: tuple[Head, ...], balances_gradients: bool) -> None:
        super().__init__(name="totals")
        self.heads = heads
        self.num_conflicts = len(heads) + 3 if balances_gradients else 0
        sizes = [len(heads)] * 4 + [2, self.num_conflicts] + [h.num_totals for h in heads]
        self.cuts = [int(i) for i in np.cumsum(sizes)[:-1]]
        self.sums = self.add_variable((sum(sizes),), "zeros", name="sums")

    def update_state(
        self,
        batch: BatchLosses,
        weights: tf.Tensor | None = None,
        objective: tf.Tensor | None = None,
        conflicts: tf.Tensor | None = None,
    ) -> None:
        """Add a batch.

        weights, objective: of a training step; None in evaluation. Weights [tasks] are NaN if the
            method has none.
        conflicts: `conflict_totals` of a step that balanced gradients.
        """
        training = weights is not None
        present = batch.present if training else tf.zeros_like(batch.rows)
        steps = tf.stack([objective, 1.0]) if training else tf.zeros([2])
        weighted = weights * present if training else present
        if conflicts is None:
            conflicts = tf.zeros([self.num_conflicts])
        losses = batch.losses * batch.rows
        whole_batch = tf.concat([losses, batch.rows, weighted, present, steps, conflicts], 0)
        if training and replicas.count() > 1:  # all replicas add it, and their sums are added
            whole_batch /= replicas.count()
        self.sums.assign_add(tf.concat([whole_batch, *batch.totals], 0))

    def result(self) -> dict[str, float]:
        """The figures by name; NaN for a task without any labelled row."""
        parts = np.split(self.sums.numpy(), self.cuts)
        losses, rows, weights, steps_present, (objective, steps), conflicts = parts[:6]
        figures = {"loss": 0.0}
        for i, (head, totals) in enumerate(zip(self.heads, parts[6:], strict=True)):
            name, loss = head.target.name, ratio(losses[i], rows[i])
            if rows[i]:
                figures["loss"] += head.target.task.weight * loss
            figures[f"{name}_loss"] = loss
            figures |= {f"{name}_{metric}": v for metric, v in head.metrics(totals).items()}
            if steps and not np.isnan(weights[i]):
                figures[f"{name}_weight"] = ratio(weights[i], steps_present[i])
        if steps:
            figures["objective"] = ratio(objective, steps)
            if self.num_conflicts:
                names = [h.target.name for h in self.heads]
                figures |= conflict_figures(names, conflicts, steps_present)
        return figures
