"""Gradients of all variables where a method balances one gradient per task. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.balancing.base import GradientBalancer, TaskGradients
from models.lazy import keras, tf
from models.multitask.batch_losses import BatchLosses, Tensors, batch_losses
from models.multitask.parts import MultitaskParts
from models.tasks.heads.epoch_metrics import ratio


@dataclass(frozen=True)
class Pass:
    """One way forward and back through a model.

    gradients: by the model's trainable variables. weights: [tasks], what each task's loss or
    gradient was multiplied by; NaN where the method has none. conflicts: `conflict_totals`, where
    the method looks at gradients.
    """

    batch: BatchLosses
    objective: tf.Tensor
    gradients: list[tf.Tensor | None]
    weights: tf.Tensor
    conflicts: tf.Tensor | None = None


def balanced_pass(
    model: MultitaskParts,
    balancer: GradientBalancer,
    shared: list[keras.Variable],
    features: Tensors,
    labels: Tensors,
) -> Pass:
    """One pass back per task goes through its own tower, for the gradients of the tower and of the
    representation; then one with the combined gradient goes through what tasks share. Where the
    method balances at parameters, each task's pass goes all the way.

    shared: the variables behind the representation. Regularisation losses reach all variables as
    they are.
    """
    at_parameters = model.at_parameters
    with tf.GradientTape(persistent=at_parameters) as whole:
        representation = model.represent(features, training=True)
        with tf.GradientTape(persistent=True) as after:
            after.watch(representation)
            outputs = model.towers(representation, training=True)
            batch = batch_losses(model.heads, labels, outputs)
        penalties = model.losses
    with tf.GradientTape() as last:
        last.watch(batch.losses)
        objective = balancer.objective(batch.losses, batch.present)
    variables = model.trainable_variables
    apart = {id(v) for v in (*shared, *balancer.variables)}
    towers = [v for v in variables if id(v) not in apart]
    own = [v for v in balancer.variables if v.trainable]
    places = Places(shared if at_parameters else representation, at_parameters)
    found: dict[int, list[tf.Tensor]] = {id(v): [] for v in variables}

    def add(to: Iterable[tf.Variable], gradients: Iterable[tf.Tensor | None]) -> None:
        for v, gradient in zip(to, gradients, strict=True):
            if gradient is not None:
                found[id(v)].append(gradient)

    factors, by_own = last.gradient(objective, (batch.losses, own))
    add(own, by_own)
    tape, rows = whole if at_parameters else after, []
    for factor, loss in zip(tf.unstack(factors), batch.each, strict=True):
        by_places, by_towers = tape.gradient(loss, (places.tensors, towers))
        rows.append(places.flat(by_places))
        add(towers, [None if g is None else factor * g for g in by_towers])
    gradients = tf.stack(rows)
    gramian = gramian_of(gradients)
    tasks = TaskGradients(batch.losses, batch.present, gradients, gramian, places.values())
    combined, weights = balancer.combine(tasks)
    if at_parameters:
        add(shared, places.apart(combined))
        if penalties:
            add(variables, whole.gradient(penalties, variables))
    else:
        starts = [*places.apart(combined), *map(tf.ones_like, penalties)]
        ends = [*places.tensors, *penalties]
        add(variables, whole.gradient(ends, variables, output_gradients=starts))
    if weights is None:
        weights = tf.fill([len(rows)], np.float32(np.nan))
    if penalties:
        objective += tf.add_n(penalties)
    sums = [_sum(found[id(v)]) for v in variables]
    return Pass(batch, objective, sums, weights, conflict_totals(gramian, batch.present))


class Places:
    """Where gradients of tasks are taken: at tensors [batch, ...], or at parameters."""

    def __init__(self, tensors: tf.Tensor | list[tf.Tensor], parameters: bool) -> None:
        self.tensors = tf.nest.flatten(tensors)
        self.parameters = parameters
        shapes = [t.shape if parameters else t.shape[1:] for t in self.tensors]
        self._sizes = [int(np.prod(shape)) for shape in shapes]

    def flat(self, gradients: list[tf.Tensor | None]) -> tf.Tensor:
        """Side by side: float32 [batch, features], or [1, parameters]; zeros for None."""
        there = [
            tf.zeros_like(t) if g is None else tf.convert_to_tensor(g)
            for g, t in zip(gradients, self.tensors, strict=True)
        ]
        rows = [1 if self.parameters else tf.shape(t)[0] for t in self.tensors]
        return tf.concat(
            [
                tf.reshape(tf.cast(t, tf.float32), [count, size])
                for t, count, size in zip(there, rows, self._sizes, strict=True)
            ],
            1,
        )

    def apart(self, flat: tf.Tensor) -> list[tf.Tensor]:
        """The inverse of `flat`: shapes and dtypes of the places."""
        return [
            tf.cast(tf.reshape(piece, tf.shape(t)), t.dtype)
            for piece, t in zip(tf.split(flat, self._sizes, 1), self.tensors, strict=True)
        ]

    def values(self) -> tf.Tensor | None:
        """The representation, as `flat` has gradients; None for parameters."""
        return None if self.parameters else self.flat(self.tensors)


def gramian_of(gradients: tf.Tensor) -> tf.Tensor:
    """Inner products float32 [tasks, tasks] of gradients [tasks, batch, features]."""
    flat = tf.reshape(gradients, [tf.shape(gradients)[0], -1])
    return tf.matmul(flat, flat, transpose_b=True)


def num_conflict_totals(tasks: int) -> int:
    """The length of `conflict_totals`."""
    return tasks + 3


def conflict_totals(gramian: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Float32 [tasks + 3]: each gradient's norm; then, over the pairs of present tasks that have
    gradients, the sum of their cosines, how many are negative, and how many pairs there are.
    """
    norms = tf.sqrt(tf.linalg.diag_part(gramian))
    there = tf.cast(norms > 0, tf.float32) * present
    pairs = there[:, None] * there
    pairs = tf.linalg.band_part(pairs, 0, -1) - tf.linalg.diag(there)
    cosines = pairs * tf.math.divide_no_nan(gramian, norms[:, None] * norms)
    conflicts = tf.cast(cosines < 0, tf.float32)
    return tf.concat([norms, [tf.reduce_sum(x) for x in (cosines, conflicts, pairs)]], 0)


def conflict_figures(
    tasks: Sequence[str], totals: np.ndarray, steps: np.ndarray
) -> dict[str, float]:
    """`<task>_gradient_norm`, the mean `gradient_cosine` of two tasks, and `conflict_rate`, the
    share of pairs whose cosine is negative; NaN where nothing was counted.

    totals: sums of `conflict_totals`. steps: [tasks], those in which the task was present.
    """
    norms, (cosines, conflicts, pairs) = totals[:-3], totals[-3:]
    figures = {
        f"{task}_gradient_norm": ratio(norm, count)
        for task, norm, count in zip(tasks, norms, steps, strict=True)
    }
    if len(tasks) == 1:
        return figures
    return figures | {
        "gradient_cosine": ratio(cosines, pairs),
        "conflict_rate": ratio(conflicts, pairs),
    }


def _sum(gradients: list[tf.Tensor]) -> tf.Tensor | None:
    if len(gradients) < 2:
        return gradients[0] if gradients else None
    return tf.add_n(gradients)
