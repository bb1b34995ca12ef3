"""One step of training: losses of the tasks -> balancing -> update. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from models.balancing.base import GradientBalancer, HindsightBalancer, TwoLevelBalancer
from models.lazy import keras, tf
from models.multitask.batch_losses import BatchLosses, batch_losses
from models.multitask.gradient_step import (
    Pass,
    balanced_pass,
    conflict_figures,
    num_conflict_totals,
)
from models.multitask.lookahead import BatchProbe
from models.tasks.epoch_metrics import ratio
from models.tasks.kinds import Head

if TYPE_CHECKING:
    from models.multitask.model import MultitaskModel

    Tensors = Mapping[str, tf.Tensor]


def train_step(model: MultitaskModel, features: Tensors, labels: Tensors) -> dict[str, tf.Tensor]:
    """Update all trainable variables, those of the balancing method among them.

    Every task's loss depends on what tasks share through the representation alone: a method that
    wants one gradient per task takes it there, and then one pass back through what is shared. Where
    nothing of that trains there is nothing to balance, and the method's objective is minimised.
    """
    balancer = model.balancer
    if isinstance(balancer, TwoLevelBalancer):
        balancer.look(BatchProbe(model, features, labels))
    shared = model.shared_variables(features)
    if isinstance(balancer, GradientBalancer) and shared:
        done = balanced_pass(model, balancer, shared, features, labels)
    else:
        done = _plain_pass(model, features, labels)
    model.optimizer.apply(done.gradients, model.trainable_variables)
    if isinstance(balancer, HindsightBalancer):
        outputs = model.towers(model.represent(features, training=True), training=True)
        after = batch_losses(model.heads, labels, outputs)
        balancer.after_update(done.batch.losses, after.losses, done.batch.present)
    model.totals.update_state(done.batch, done.weights, done.objective, done.conflicts)
    return {"objective": done.objective}


def _plain_pass(model: MultitaskModel, features: Tensors, labels: Tensors) -> Pass:
    balancer = model.balancer
    scalar = balancer.objective if isinstance(balancer, GradientBalancer) else balancer
    with tf.GradientTape() as tape:
        outputs = model.towers(model.represent(features, training=True), training=True)
        batch = batch_losses(model.heads, labels, outputs)
        objective = scalar(batch.losses, batch.present)
        if penalties := model.losses:
            objective += keras.ops.sum(penalties)
    gradients, weights = tape.gradient(objective, (model.trainable_variables, batch.losses))
    return Pass(batch, objective, gradients, weights)


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
