"""One step of training: losses of the tasks -> balancing -> update. Imports TensorFlow."""

from __future__ import annotations

from models.balancing.base import BilevelBalancer, GradientBalancer, HindsightBalancer
from models.lazy import keras, tf
from models.multitask.batch_losses import Tensors, batch_losses
from models.multitask.epoch_totals import EpochTotals
from models.multitask.gradient_step import Pass, balanced_pass
from models.multitask.lookahead import BatchLookahead
from models.multitask.parts import MultitaskParts


def train_step(
    model: MultitaskParts, totals: EpochTotals, features: Tensors, labels: Tensors
) -> dict[str, tf.Tensor]:
    """Update all trainable variables, those of the balancing method among them.

    Every task's loss depends on what tasks share through the representation alone: a method that
    wants one gradient per task takes it there, and then one pass back through what is shared. Where
    nothing of that trains there is nothing to balance, and the method's objective is minimised.
    """
    balancer = model.balancer
    if isinstance(balancer, BilevelBalancer):
        balancer.update_weights(BatchLookahead(model, features, labels))
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
    totals.update_state(done.batch, done.weights, done.objective, done.conflicts)
    return {"objective": done.objective}


def _plain_pass(model: MultitaskParts, features: Tensors, labels: Tensors) -> Pass:
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


def test_step(
    model: MultitaskParts, totals: EpochTotals, features: Tensors, labels: Tensors
) -> dict[str, tf.Tensor]:
    """Count losses and metrics."""
    batch = batch_losses(model.heads, labels, model(features, training=False))
    totals.update_state(batch)
    return {"loss": keras.ops.sum(batch.losses)}
