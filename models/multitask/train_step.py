"""One training step: task losses, then balancing, then the update. Imports TensorFlow."""

from __future__ import annotations

from models.balancing.base import BilevelBalancer, GradientBalancer, HindsightBalancer
from models.lazy import keras, tf
from models.multitask import replicas
from models.multitask.batch_losses import Tensors, batch_losses
from models.multitask.epoch_totals import EpochTotals
from models.multitask.gradient_step import Pass, balanced_pass
from models.multitask.lookahead import BatchLookahead
from models.multitask.parts import MultitaskParts


def train_step(
    model: MultitaskParts, totals: EpochTotals, features: Tensors, labels: Tensors
) -> dict[str, tf.Tensor]:
    """Update all trainable variables, including those of the balancing method.

    A gradient-based method needs shared variables that train. If there are none, there is nothing
    to balance, and the step minimises the method's objective.
    """
    balancer = model.balancer
    if isinstance(balancer, BilevelBalancer):
        balancer.update_weights(BatchLookahead(model, features, labels))
    shared = model.shared_variables(features)
    if isinstance(balancer, GradientBalancer) and shared:
        result = balanced_pass(model, balancer, shared, features, labels)
    else:
        result = _plain_pass(model, features, labels)
    model.optimizer.apply(result.gradients, model.trainable_variables)
    if isinstance(balancer, HindsightBalancer):
        outputs = model.towers(model.represent(features, training=True), training=True)
        after = batch_losses(model.heads, labels, outputs, model.members).over_replicas()
        balancer.after_update(result.batch.losses, after.losses, result.batch.present)
    totals.update_state(result.batch, result.weights, result.objective, result.conflicts)
    return {"objective": result.objective}


def _plain_pass(model: MultitaskParts, features: Tensors, labels: Tensors) -> Pass:
    """Backpropagate one scalar: the weighted losses and the regularisation losses."""
    balancer = model.balancer
    objective_of = balancer.objective if isinstance(balancer, GradientBalancer) else balancer
    with tf.GradientTape() as tape:
        outputs = model.towers(model.represent(features, training=True), training=True)
        penalties = [replicas.equal_share(p) for p in model.losses]
        batch = batch_losses(model.heads, labels, outputs, model.members).over_replicas()
        objective = objective_of(batch.losses, batch.present)
        if penalties:
            objective += keras.ops.sum(penalties)
    variables = model.trainable_variables
    gradients, weights = tape.gradient(objective, (variables, batch.losses))
    state = {id(v) for v in balancer.variables}
    shares = [None if id(v) in state else g for v, g in zip(variables, gradients, strict=True)]
    sums = replicas.totals(shares)
    gradients = [g if s is None else s for g, s in zip(gradients, sums, strict=True)]
    return Pass(batch, objective, gradients, weights)


def test_step(
    model: MultitaskParts, totals: EpochTotals, features: Tensors, labels: Tensors
) -> dict[str, tf.Tensor]:
    """Add the losses and metrics of a batch to the totals."""
    batch = batch_losses(model.heads, labels, model(features, training=False))
    totals.update_state(batch)
    return {"loss": keras.ops.sum(batch.losses)}
