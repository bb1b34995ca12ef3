"""How a gradient step on one task changes the losses of the others. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.lazy import keras, tf
from models.multitask.batch_losses import Tensors, batch_losses
from models.multitask.gradient_step import GradientPoint, gramian_of
from models.multitask.parts import MultitaskParts

Effects = Callable[[Tensors, Tensors, float], "Measured"]

TRIES = 12
"""How often a step is halved at most."""
NOISE = 1e-6
"""Relative rounding error of a loss in float32."""


@dataclass(frozen=True)
class Measured:
    """Affinities on one batch; NaN where a task has no labelled row in it.

    effects: float32 [tasks, tasks], `1 - L_j after / L_j before` after a step on task i (row i,
        column j). cosines: float32 [tasks, tasks], of the gradients.
    length: mean length of the steps over the tasks.
    """

    effects: np.ndarray
    cosines: np.ndarray
    length: float


def effects_of(model: MultitaskParts, shared: list[keras.Variable]) -> Effects:
    """A function from features, labels and the maximal step length to affinities.

    It measures the inter-task affinity of Fifty et al. 2021 (NeurIPS, section 3.1): how a gradient
    step of the shared variables on one task changes the loss of another one. The model stays as it
    is. Departures from the paper: inference mode, because dropout would change losses by more than
    a step does; plain gradient descent, whatever the optimizer. A step is halved until each task's
    own loss falls by at least half of what its gradient predicts (Armijo's rule: Nocedal and
    Wright, Numerical Optimization, 2006, equation 3.4): on a parabola, it does not pass the
    minimum.
    """
    point = GradientPoint(shared, parameters=True)

    def losses(features: Tensors, labels: Tensors) -> tuple[list[tf.Tensor], tf.Tensor]:
        outputs = model.towers(model.represent(features), training=False)
        batch = batch_losses(model.heads, labels, outputs, model.members)
        return batch.each, batch.present

    def measure(features: Tensors, labels: Tensors, length: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape(persistent=True) as tape:
            before, present = losses(features, labels)
        rows = tf.stack([point.flatten(tape.gradient(loss, point.tensors)) for loss in before])
        gramian = gramian_of(rows)
        norms = tf.sqrt(tf.linalg.diag_part(gramian))
        rate = tf.math.divide_no_nan(length, tf.reduce_sum(norms) / tf.reduce_sum(present))
        effects = []
        for row in tf.unstack(rows * rate, num=len(before)):
            values = [tf.identity(v.value) for v in shared]
            for v, step in zip(shared, point.unflatten(row), strict=True):
                v.assign_sub(step)
            after, _ = losses(features, labels)
            for v, value in zip(shared, values, strict=True):
                v.assign(value)
            effects.append(1 - tf.stack(after) / tf.stack(before))
        cosines = tf.math.divide_no_nan(gramian, norms[:, None] * norms)
        predicted = rate * tf.linalg.diag_part(gramian) / tf.stack(before)
        both = present[:, None] * present > 0
        measured = (both, tf.stack(effects)), (both, cosines), (present > 0, predicted)
        return tuple(tf.where(known, values, np.float32(np.nan)) for known, values in measured)

    compiled = tf.function(measure, autograph=False, reduce_retracing=True)

    def effects(features: Tensors, labels: Tensors, length: float) -> Measured:
        for _ in range(TRIES):
            tensors = compiled(features, labels, tf.constant(length, tf.float32))
            affinities, cosines, predicted = (t.numpy() for t in tensors)
            fell = np.diagonal(affinities) >= predicted / 2 - NOISE
            if np.all(fell | np.isnan(predicted)):
                break
            length /= 2
        return Measured(affinities, cosines, length)

    return effects
