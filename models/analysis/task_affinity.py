"""What a step for one task does to the losses of the others. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.lazy import keras, tf
from models.multitask.batch_losses import Tensors, batch_losses
from models.multitask.gradient_step import Places, gramian_of
from models.multitask.parts import MultitaskParts

Effects = Callable[[Tensors, Tensors, float], "Measured"]

TRIES = 12
"""Of ever shorter steps."""
NOISE = 1e-6
"""Of a loss in float32, as a share of it."""


@dataclass(frozen=True)
class Measured:
    """effects, cosines: float32 [tasks, tasks]. length: of the steps, on average over tasks."""

    effects: np.ndarray
    cosines: np.ndarray
    length: float


def effects_of(model: MultitaskParts, shared: list[keras.Variable]) -> Effects:
    """A function from features and labels of a batch, and the longest step to take, to what is
    measured; the model stays as it is.

    `effects` are the inter-task affinities `1 - L_j after / L_j before` of row i on column j, where
    the shared variables have taken a step along task i's gradient (Fifty et al. 2021, NeurIPS,
    section 3.1), `cosines` those of the gradients. NaN where a task is not in the batch.

    Departures: inference mode, since dropout would move losses by more than a step does; steps of
    plain gradient descent, whatever the optimizer. They are as long as those asked for unless that
    leads too far: every task's own loss must fall by at least half of what its gradient promises
    (Armijo's rule: Nocedal and Wright, Numerical Optimization, 2006, equation 3.4), which for a
    parabola is as far as its minimum. Else they are halved.
    """
    places = Places(shared, parameters=True)

    def losses(features: Tensors, labels: Tensors) -> tuple[list[tf.Tensor], tf.Tensor]:
        batch = batch_losses(
            model.heads, labels, model.towers(model.represent(features), training=False)
        )
        return batch.each, batch.present

    def measure(
        features: Tensors, labels: Tensors, length: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            before, present = losses(features, labels)
        rows = tf.stack([places.flat(tape.gradient(loss, places.tensors)) for loss in before])
        gramian = gramian_of(rows)
        norms = tf.sqrt(tf.linalg.diag_part(gramian))
        rate = tf.math.divide_no_nan(length, tf.reduce_sum(norms) / tf.reduce_sum(present))
        effects = []
        for row in tf.unstack(rows * rate, num=len(before)):
            kept = [tf.identity(v.value) for v in shared]
            for v, step in zip(shared, places.apart(row), strict=True):
                v.assign_sub(step)
            after, _ = losses(features, labels)
            for v, value in zip(shared, kept, strict=True):
                v.assign(value)
            effects.append(1 - tf.stack(after) / tf.stack(before))
        cosines = tf.math.divide_no_nan(gramian, norms[:, None] * norms)
        promised = rate * tf.linalg.diag_part(gramian) / tf.stack(before)
        there = present[:, None] * present > 0
        nan = np.float32(np.nan)
        return (
            tf.where(there, tf.stack(effects), nan),
            tf.where(there, cosines, nan),
            tf.where(present > 0, promised, nan),
        )

    compiled = tf.function(measure, autograph=False, reduce_retracing=True)

    def effects(features: Tensors, labels: Tensors, length: float) -> Measured:
        for _ in range(TRIES):
            told = compiled(features, labels, tf.constant(length, tf.float32))
            found, cosines, promised = (t.numpy() for t in told)
            kept = np.diagonal(found) >= promised / 2 - NOISE
            if np.all(kept | np.isnan(promised)):
                break
            length /= 2
        return Measured(found, cosines, length)

    return effects
