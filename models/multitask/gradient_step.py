"""One forward and backward pass of methods that balance one gradient per task. Imports TensorFlow.

`models.multitask.train_step` applies the gradients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.balancing.base import GradientBalancer, TaskGradients
from models.lazy import keras, tf
from models.multitask import replicas
from models.multitask.batch_losses import BatchLosses, Tensors, batch_losses
from models.multitask.parts import MultitaskParts
from models.tasks.heads.epoch_metrics import ratio


@dataclass(frozen=True)
class Pass:
    """Result of one forward and backward pass.

    gradients: one per trainable variable of the model, in its order; of the whole batch.
    weights: [tasks], the factor of each task's loss or gradient; NaN if the method has none.
    conflicts: see `conflict_totals`; None unless the method balances gradients.
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
    """The pass of a gradient-based method.

    Balancing at the representation takes one backward pass per task through its own tower, down to
    the representation. The combined gradient then passes once through the shared layers. Balancing
    at parameters takes one backward pass per task through the whole model.

    shared: the variables before the representation. The gradients of regularisation losses are
    added to all variables without balancing.
    """
    at_parameters = model.at_parameters
    with tf.GradientTape(persistent=at_parameters) as whole:
        representation = model.represent(features, training=True)
        with tf.GradientTape(persistent=True) as after:
            after.watch(representation)
            outputs = model.towers(representation, training=True)
            penalties = [replicas.equal_share(p) for p in model.losses]
            batch = batch_losses(model.heads, labels, outputs, model.members).over_replicas()
    with tf.GradientTape() as last:
        last.watch(batch.losses)
        objective = balancer.objective(batch.losses, batch.present)
    variables = model.trainable_variables
    not_in_towers = {id(v) for v in (*shared, *balancer.variables)}
    towers = [v for v in variables if id(v) not in not_in_towers]
    state = [v for v in balancer.variables if v.trainable]
    point = GradientPoint(shared if at_parameters else representation, at_parameters)
    shares: dict[int, list[tf.Tensor]] = {id(v): [] for v in variables}
    whole_batch: dict[int, list[tf.Tensor]] = {id(v): [] for v in variables}

    def add(
        to: Iterable[tf.Variable],
        gradients: Iterable[tf.Tensor | None],
        parts: dict[int, list[tf.Tensor]] = shares,
    ) -> None:
        for v, gradient in zip(to, gradients, strict=True):
            if gradient is not None:
                parts[id(v)].append(gradient)

    factors, of_state = last.gradient(objective, (batch.losses, state))
    add(state, of_state, whole_batch)
    tape, rows = whole if at_parameters else after, []
    for factor, loss in zip(tf.unstack(factors), batch.each, strict=True):
        at_point, of_towers = tape.gradient(loss, (point.tensors, towers))
        rows.append(point.flatten(at_point))
        add(towers, [None if g is None else factor * g for g in of_towers])
    gradients = replicas.total(tf.stack(rows)) if at_parameters else tf.stack(rows)
    gramian = gramian_of(gradients)
    if not at_parameters:  # each replica has other rows, whose inner products add up
        gramian = replicas.total(gramian)
    tasks = TaskGradients(
        batch.losses,
        batch.present,
        gradients,
        gramian,
        point.values(),
        (lambda x: x) if at_parameters else replicas.total,
    )
    combined, weights = balancer.combine(tasks)
    if at_parameters:
        add(shared, point.unflatten(combined), whole_batch)
        if penalties:
            add(variables, whole.gradient(penalties, variables))
    else:
        starts = [*point.unflatten(combined), *map(tf.ones_like, penalties)]
        ends = [*point.tensors, *penalties]
        add(variables, whole.gradient(ends, variables, output_gradients=starts))
    if weights is None:
        weights = tf.fill([len(rows)], np.float32(np.nan))
    if penalties:
        objective += tf.add_n(penalties)
    summed = replicas.totals([_sum(shares[id(v)]) for v in variables])
    sums = [
        _sum([*whole_batch[id(v)], *([] if g is None else [g])])
        for v, g in zip(variables, summed, strict=True)
    ]
    return Pass(batch, objective, sums, weights, conflict_totals(gramian, batch.present))


class GradientPoint:
    """Where the gradients of tasks are taken: at tensors [batch, ...], or at parameters."""

    def __init__(self, tensors: tf.Tensor | list[tf.Tensor], parameters: bool) -> None:
        self.tensors = tf.nest.flatten(tensors)
        self.parameters = parameters
        shapes = [t.shape if parameters else t.shape[1:] for t in self.tensors]
        self._sizes = [int(np.prod(shape)) for shape in shapes]

    def flatten(self, gradients: list[tf.Tensor | None]) -> tf.Tensor:
        """Concatenate: float32 [batch, features], or [1, parameters]; zeros for None."""
        pieces = []
        for t, gradient, size in zip(self.tensors, gradients, self._sizes, strict=True):
            dense = tf.zeros_like(t) if gradient is None else tf.convert_to_tensor(gradient)
            count = 1 if self.parameters else tf.shape(t)[0]
            pieces.append(tf.reshape(tf.cast(dense, tf.float32), [count, size]))
        return tf.concat(pieces, 1)

    def unflatten(self, flat: tf.Tensor) -> list[tf.Tensor]:
        """The inverse of `flatten`, with the shapes and dtypes of the tensors."""
        return [
            tf.cast(tf.reshape(piece, tf.shape(t)), t.dtype)
            for piece, t in zip(tf.split(flat, self._sizes, 1), self.tensors, strict=True)
        ]

    def values(self) -> tf.Tensor | None:
        """The representation, flattened as gradients are; None for parameters."""
        return None if self.parameters else self.flatten(self.tensors)


def gramian_of(gradients: tf.Tensor) -> tf.Tensor:
    """Inner products float32 [tasks, tasks] of gradients [tasks, batch, features]."""
    flat = tf.reshape(gradients, [tf.shape(gradients)[0], -1])
    return tf.matmul(flat, flat, transpose_b=True)


def conflict_totals(gramian: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """What a step adds to the totals behind `conflict_figures`.

    Returns:
        Float32 [tasks + 3]: the norm of each gradient; then three numbers about the pairs of
        present tasks with non-zero gradients: the sum of their cosines, the number of negative
        cosines, and the number of pairs.
    """
    norms = tf.sqrt(tf.linalg.diag_part(gramian))
    counted = tf.cast(norms > 0, tf.float32) * present
    pairs = counted[:, None] * counted
    pairs = tf.linalg.band_part(pairs, 0, -1) - tf.linalg.diag(counted)
    cosines = pairs * tf.math.divide_no_nan(gramian, norms[:, None] * norms)
    conflicts = tf.cast(cosines < 0, tf.float32)
    return tf.concat([norms, [tf.reduce_sum(x) for x in (cosines, conflicts, pairs)]], 0)


def conflict_figures(
    tasks: Sequence[str], totals: np.ndarray, steps: np.ndarray
) -> dict[str, float]:
    """How far the gradients of the tasks agree; NaN where nothing was counted.

    totals: sums of `conflict_totals`. steps: [tasks], number of steps with the task.

    Returns:
        `<task>_gradient_norm`; `gradient_cosine`: the mean cosine of two tasks' gradients;
        `conflict_rate`: the share of pairs with a negative cosine.
    """
    norms, (cosines, conflicts, pairs) = totals[:-3], totals[-3:]
    figures = {
        f"{task}_gradient_norm": ratio(norm, count)
        for task, norm, count in zip(tasks, norms, steps, strict=True)
    }
    if len(tasks) > 1:
        figures["gradient_cosine"] = ratio(cosines, pairs)
        figures["conflict_rate"] = ratio(conflicts, pairs)
    return figures


def _sum(gradients: list[tf.Tensor]) -> tf.Tensor | None:
    if len(gradients) < 2:
        return gradients[0] if gradients else None
    return tf.add_n(gradients)
