"""What the gradients of one batch tell about tasks that train together. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.balancing.base import GradientBalancer, TaskGradients
from models.lazy import keras, tf
from models.multitask.batch_losses import Tensors, batch_losses
from models.multitask.gradient_step import Places, conflict_figures, conflict_totals, gramian_of
from models.multitask.parts import MultitaskParts


def inspector(model: MultitaskParts) -> Callable[[Tensors, Tensors], dict[str, float]]:
    """A function from features and labels of a batch to figures; the model stays as it is.

    It computes in inference mode. `gradient_rank` is the effective rank (Roy and Vetterli 2007,
    EUSIPCO) of the tasks' gradients at what they share, brought to one length: 1 where all agree,
    the number of tasks where none has to do with another. It is taken where the tasks' gradients
    meet, and there are no figures where they never do. Methods that balance gradients at the
    representation add `exactness`: the cosine between what they give to the shared parameters, and
    what they would give had they taken the gradients there. Others add what those report anyway:
    see `models.multitask.gradient_step.conflict_figures`.
    """
    balanced = isinstance(model.balancer, GradientBalancer)
    balancer = model.balancer if isinstance(model.balancer, GradientBalancer) else None
    meet = model.gradients_meet
    if meet == "parameters" or (balancer is not None and balancer.needs_feature_count):
        balancer = None
    if meet is None:
        return lambda features, labels: {}

    def measure(features: Tensors, labels: Tensors) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        shared = model.shared_variables(features)
        with tf.GradientTape(persistent=True) as whole:
            representation = model.represent(features, training=False)
            with tf.GradientTape(persistent=True) as after:
                after.watch(representation)
                outputs = model.towers(representation, training=False)
                batch = batch_losses(model.heads, labels, outputs)

        def gradients(tape: tf.GradientTape, places: Places) -> TaskGradients:
            rows = [places.flat(tape.gradient(loss, places.tensors)) for loss in batch.each]
            stacked = tf.stack(rows)
            return TaskGradients(
                batch.losses, batch.present, stacked, gramian_of(stacked), places.values()
            )

        if meet == "parameters":
            near = gradients(whole, Places(shared, parameters=True))
        else:
            here = Places(representation, parameters=False)
            near = gradients(after, here)
        totals = conflict_totals(near.gramian, batch.present)
        cosine = tf.constant(np.nan, tf.float32)
        if balancer is not None and shared:
            there = Places(shared, parameters=True)
            far = gradients(whole, there)
            state = [tf.identity(v.value) for v in balancer.variables]
            combined, _ = balancer.combine(near)
            _restore(balancer.variables, state)
            exact, _ = balancer.combine(far)
            _restore(balancer.variables, state)
            through = whole.gradient(
                here.tensors, there.tensors, output_gradients=here.apart(combined)
            )
            cosine = _cosine(there.flat(through), exact)
        return totals, batch.present, tf.stack([effective_rank(near.gramian), cosine])

    compiled = tf.function(measure, autograph=False)

    def inspect(features: Tensors, labels: Tensors) -> dict[str, float]:
        totals, present, (rank, cosine) = (x.numpy() for x in compiled(features, labels))
        figures = {"gradient_rank": float(rank)}
        if not balanced:
            names = [h.target.name for h in model.heads]
            figures |= conflict_figures(names, totals, present)
        if not np.isnan(cosine):
            figures["exactness"] = float(cosine)
        return figures

    return inspect


def effective_rank(gramian: tf.Tensor) -> tf.Tensor:
    """Exp of the entropy of the singular values, of gradients brought to length 1.

    gramian: float32 [tasks, tasks]; tasks without a gradient do not count.
    """
    norms = tf.sqrt(tf.linalg.diag_part(gramian))
    cosines = tf.math.divide_no_nan(gramian, norms[:, None] * norms)
    values = tf.sqrt(tf.maximum(tf.linalg.eigvalsh(cosines), 0))
    shares = tf.math.divide_no_nan(values, tf.reduce_sum(values))
    return tf.exp(-tf.reduce_sum(tf.math.xlogy(shares, shares)))


def _restore(variables: list[keras.Variable], values: list[tf.Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _cosine(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(tf.reduce_sum(a * b), tf.norm(a) * tf.norm(b))
