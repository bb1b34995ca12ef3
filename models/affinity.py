"""What a step for one task does to the losses of the others. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from models.batch_losses import batch_losses
from models.gradient_step import Places, gramian_of
from models.lazy import keras, tf

if TYPE_CHECKING:
    from models.multitask import MultitaskModel

    Tensors = Mapping[str, tf.Tensor]
    Effects = Callable[[Tensors, Tensors, float], tuple[np.ndarray, np.ndarray]]


def effects_of(model: MultitaskModel, shared: list[keras.Variable]) -> Effects:
    """A function from features and labels of a batch, and the length of a step, to two arrays
    float32 [tasks, tasks]; the model stays as it is.

    The first is the inter-task affinity `1 - L_j after / L_j before` of row i on column j, where
    the shared variables have taken a step along task i's gradient (Fifty et al. 2021, NeurIPS,
    section 3.1). The second holds the gradients' cosines. NaN where a task is not in the batch.

    Departures: inference mode, since dropout would move losses by more than a step does; steps of
    plain gradient descent, `length` long on average over tasks, whatever the optimizer.
    """
    places = Places(shared, parameters=True)

    def losses(features: Tensors, labels: Tensors) -> tuple[list[tf.Tensor], tf.Tensor]:
        batch = batch_losses(
            model.heads, labels, model.towers(model.represent(features), training=False)
        )
        return batch.each, batch.present

    def measure(
        features: Tensors, labels: Tensors, length: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
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
        there = present[:, None] * present
        nan = tf.fill(tf.shape(there), np.float32(np.nan))
        return tf.where(there > 0, tf.stack(effects), nan), tf.where(there > 0, cosines, nan)

    compiled = tf.function(measure, autograph=False, reduce_retracing=True)

    def effects(features: Tensors, labels: Tensors, length: float) -> tuple[np.ndarray, np.ndarray]:
        found, cosines = compiled(features, labels, tf.constant(length, tf.float32))
        return found.numpy(), cosines.numpy()

    return effects
