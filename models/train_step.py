"""One step of training: losses of the tasks -> balancing -> update. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.balancing.base import GradientBalancer, HindsightBalancer
from models.gradient_step import balanced_gradients, conflict_figures, num_conflict_totals
from models.heads import Head
from models.lazy import keras, tf
from models.losses import masked_mean
from models.metrics import ratio

if TYPE_CHECKING:
    from models.multitask import MultitaskModel

    Tensors = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class BatchLosses:
    """What the heads make of a batch.

    losses: float32 [tasks], means over labelled rows. rows: float32 [tasks], how many there are.
    totals: what each head's metrics add up. each: `losses` before they were stacked: the gradient
        of one of these passes through the tower of its own task alone.
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
    """Each head's loss and totals."""
    losses, rows, totals = [], [], []
    for head in heads:
        name = head.target.name
        present = head.present(labels[name])
        known = head.fill(labels[name], present)
        losses.append(masked_mean(head.row_losses(known, outputs[name]), present))
        rows.append(keras.ops.sum(present))
        totals.append(head.totals(known, keras.ops.stop_gradient(outputs[name]), present))
    return BatchLosses(keras.ops.stack(losses), keras.ops.stack(rows), totals, losses)


def train_step(model: MultitaskModel, features: Tensors, labels: Tensors) -> dict[str, tf.Tensor]:
    """Update all trainable variables, those of the balancing method among them.

    Every task's loss depends on what tasks share through `representation` alone: a method that
    wants one gradient per task takes it there, and then one pass back through what is shared. Where
    nothing of that trains there is nothing to balance, and `objective` alone is minimised.
    """
    balancer, variables = model.balancer, model.trainable_variables
    scalar = balancer.objective if isinstance(balancer, GradientBalancer) else balancer
    shared = model.shared_variables(features)
    balanced = balancer if isinstance(balancer, GradientBalancer) and shared else None
    with tf.GradientTape(persistent=balanced is not None) as tape:
        representation = model.represent(features, training=True)
        outputs = model.towers(representation, training=True)
        batch = batch_losses(model.heads, labels, outputs)
        objective = scalar(batch.losses, batch.present)
        penalties = model.losses
        if penalties:
            objective += keras.ops.sum(penalties)
    conflicts = None
    if balanced:
        gradients, weights, conflicts = balanced_gradients(
            model, balanced, shared, tape, representation, batch, objective, penalties
        )
    else:
        gradients, weights = tape.gradient(objective, (variables, batch.losses))
    model.optimizer.apply(gradients, variables)
    if isinstance(balancer, HindsightBalancer):
        outputs = model.towers(model.represent(features, training=True), training=True)
        after = batch_losses(model.heads, labels, outputs)
        balancer.after_update(batch.losses, after.losses, batch.present)
    model.totals.update_state(batch, weights, objective, conflicts)
    return {"objective": objective}


def test_step(model: MultitaskModel, features: Tensors, labels: Tensors) -> dict[str, tf.Tensor]:
    """Count losses and metrics."""
    batch = batch_losses(model.heads, labels, model(features, training=False))
    model.totals.update_state(batch)
    return {"loss": keras.ops.sum(batch.losses)}


class EpochTotals(keras.metrics.Metric):  # type: ignore[misc]
    """All figures of an epoch in one vector, so that a step updates one variable.

    Layout: per task the summed row losses, the labelled rows, the summed balancing weights and the
    steps with a label; then the summed objective and the steps; then what `conflict_totals` gives,
    where the balancing method looks at gradients; then every head's own totals.
    """

    def __init__(self, heads: tuple[Head, ...], by_gradients: bool) -> None:
        super().__init__(name="totals")
        self.heads = heads
        self.num_conflicts = num_conflict_totals(len(heads)) if by_gradients else 0
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
        """Add a batch; a training step also gives the balancing weights [tasks] (NaN if the method
        has none), the objective, and `conflict_totals` where gradients were balanced.
        """
        training = weights is not None
        present = batch.present if training else tf.zeros_like(batch.rows)
        steps = tf.stack([objective, 1.0]) if training else tf.zeros([2])
        weighted = weights * present if training else present
        if conflicts is None:
            conflicts = tf.zeros([self.num_conflicts])
        losses = batch.losses * batch.rows
        parts = [losses, batch.rows, weighted, present, steps, conflicts, *batch.totals]
        self.sums.assign_add(tf.concat(parts, 0))

    def result(self) -> dict[str, float]:
        """The figures by name; NaN where no row carried a label."""
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
