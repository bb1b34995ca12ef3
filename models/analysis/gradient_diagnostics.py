"""How far the gradients of tasks agree on one batch. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.balancing.base import GradientBalancer, TaskGradients
from models.lazy import keras, tf
from models.multitask.batch_losses import Tensors, batch_losses
from models.multitask.gradient_step import (
    GradientPoint,
    conflict_figures,
    conflict_totals,
    gramian_of,
)
from models.multitask.parts import MultitaskParts


def gradient_diagnostics(
    model: MultitaskParts, on_one: Callable[[Any], Any] = lambda function: function
) -> Callable[[Tensors, Tensors], dict[str, float]]:
    """A function from the features and labels of a batch to figures. It does not change the model.

    on_one: makes a function run on one of several replicas.

    It computes in inference mode, where per-task gradients share a tensor or parameters; if the
    sharing scheme has neither, there are no figures.

    - `gradient_rank`: effective rank (Roy and Vetterli 2007, EUSIPCO) of the tasks' gradients after
      normalisation: 1 if all have the same direction, the number of tasks if they are orthogonal.
    - `exactness`, for methods that balance gradients at the representation: cosine between the
      gradient that reaches the shared parameters and the one that the method would compute there.
    - `models.multitask.gradient_step.conflict_figures`, unless the method reports them anyway.
    """
    balancer = model.balancer if isinstance(model.balancer, GradientBalancer) else None
    balanced, meeting_point = balancer is not None, model.gradients_meet
    if meeting_point == "parameters" or (balancer is not None and balancer.needs_feature_count):
        balancer = None
    if meeting_point is None:
        return lambda features, labels: {}

    def measure(features: Tensors, labels: Tensors) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        shared = model.shared_variables(features)
        with tf.GradientTape(persistent=True) as whole:
            representation = model.represent(features, training=False)
            with tf.GradientTape(persistent=True) as after:
                after.watch(representation)
                outputs = model.towers(representation, training=False)
                batch = batch_losses(model.heads, labels, outputs, model.members)

        def gradients(tape: tf.GradientTape, point: GradientPoint) -> TaskGradients:
            rows = [point.flatten(tape.gradient(loss, point.tensors)) for loss in batch.each]
            stacked = tf.stack(rows)
            return TaskGradients(
                batch.losses, batch.present, stacked, gramian_of(stacked), point.values()
            )

        if meeting_point == "parameters":
            tasks = gradients(whole, GradientPoint(shared, parameters=True))
        else:
            representation_point = GradientPoint(representation, parameters=False)
            tasks = gradients(after, representation_point)
        totals = conflict_totals(tasks.gramian, batch.present)
        cosine = tf.constant(np.nan, tf.float32)
        if balancer is not None and shared:
            parameter_point = GradientPoint(shared, parameters=True)
            tasks_at_parameters = gradients(whole, parameter_point)
            state = [tf.identity(v.value) for v in balancer.variables]
            combined, _ = balancer.combine(tasks)
            _restore(balancer.variables, state)
            exact, _ = balancer.combine(tasks_at_parameters)
            _restore(balancer.variables, state)
            backpropagated = whole.gradient(
                representation_point.tensors,
                parameter_point.tensors,
                output_gradients=representation_point.unflatten(combined),
            )
            cosine = _cosine(parameter_point.flatten(backpropagated), exact)
        return totals, batch.present, tf.stack([effective_rank(tasks.gramian), cosine])

    compiled = on_one(tf.function(measure, autograph=False))

    def diagnose(features: Tensors, labels: Tensors) -> dict[str, float]:
        totals, present, (rank, cosine) = (x.numpy() for x in compiled(features, labels))
        figures = {"gradient_rank": float(rank)}
        if not balanced:
            names = [h.target.name for h in model.heads]
            figures |= conflict_figures(names, totals, present)
        if not np.isnan(cosine):
            figures["exactness"] = float(cosine)
        return figures

    return diagnose


def effective_rank(gramian: tf.Tensor) -> tf.Tensor:
    """Effective rank of gradients: exp of the entropy of their normalised singular values.

    gramian: float32 [tasks, tasks], inner products of the gradients. Each gradient counts as if it
        had length 1. Zero gradients do not count.
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
