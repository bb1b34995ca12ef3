"""Trains a trunk on pairs of rows, before the heads. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from components.stage import Context, Observer
from components.training.checkpoint import Checkpoint
from components.training.pairing import Pairing
from components.training.rows import Rows, TrainingData
from components.training.steps import train_steps, warmed_up
from components.training.stored_copy import StoredCopy
from models.inputs.representation import REPRESENTATION
from models.layer_names import scope_of
from models.lazy import keras, tf
from models.multitask.model import MultitaskModel
from models.tasks.base import TaskTarget
from models.tasks.heads.head import Head
from models.tasks.heads.losses import filled, masked_mean, present
from models.transfer.base import Pairs
from models.transfer.layers.pair_loss import pair_loss

ENCODED_ROWS = 64
"""Rows that are encoded at a time."""


@dataclass(frozen=True)
class PairTraining:
    """What was done.

    steps, rows: rows in all steps together. pairs: by task, of one class and of two. losses: mean
        over the first and over the last `REPORTED` steps.
    """

    steps: int
    rows: int
    pairs: Mapping[str, tuple[int, int]]
    losses: tuple[float, float]

    def sentence(self) -> str:
        counts = "; ".join(f"{t}: {a:,} same, {b:,} different" for t, (a, b) in self.pairs.items())
        start, end = self.losses
        return f"{self.steps} steps, {self.rows:,} rows; {counts}; loss {start:.3f} to {end:.3f}"


def train_on_pairs(
    model: MultitaskModel, pairs: Pairs, data: TrainingData, seed: int, context: Context
) -> PairTraining:
    """Train the trunk, or resume from the checkpoint in `context.scratch`.

    Raises:
        RootstockError: no task has pairs, or training diverges.
    """
    pairing = Pairing.of(data.targets, data.train.labels)
    for task, reason in pairing.left_out.items():
        context.observer.warn(f"model.transfer: setfit makes no pairs of task {task}: {reason}.")
    steps = pairs.steps or pairing.steps()
    optimizer = warmed_up(pairs.variables, pairs.learning_rate, steps)
    changing = [*pairs.variables, *model.trunk.non_trainable_variables]  # and random states
    file = context.scratch / "pairs.npz"
    checkpoint = Checkpoint(file, optimizer, changing, copy=StoredCopy.of(context))
    train = _step(model, pairs, pairing, optimizer)

    def step(number: int) -> float:
        rows = pairing.rows_of(number, pairs.rows, seed)
        features = {n: tf.constant(data.train.features[n][rows]) for n in model.trunk.input}
        return float(train(features, tf.constant(pairing.classes[:, rows])))

    rate = "model.transfer.learning_rate"
    losses = train_steps(step, steps, checkpoint, context.observer, "pairs", rate)
    return _summary(pairing, pairs, steps, seed, losses)


def start_heads(
    model: MultitaskModel, pairs: Pairs, data: TrainingData, observer: Observer
) -> None:
    """Let heads of tasks with pairs be logistic regressions with the L2 penalty of C = 1, with
    equal weights of classes if `pairs` says so. Heads that read the vectors themselves start at the
    minimum, which Adam would need thousands of steps to come near to.

    data: with the representation of all rows.
    """
    vectors = tf.constant(data.train.features[REPRESENTATION][:])
    for target in Pairing.of(data.targets, data.train.labels).tasks:
        head = next(h for h in model.heads if h.target == target)
        layer = model.towers.get_layer(f"{scope_of(target.name)}.head")
        counts = target.class_counts
        if pairs.balanced and head.balance() and max(counts) >= 2 * min(counts):
            observer.warn(
                f"model.transfer: the head of {target.name} learns as if its classes"
                f" ({_counts(target)} rows) were equally frequent. So are its probabilities. Set"
                " `balanced: false` for the proportions of the rows."
            )
        layer.kernel.regularizer = keras.regularizers.L2(0.5 / max(target.labelled, 1))
        if model.common is None and tuple(layer.kernel.shape)[:1] == tuple(vectors.shape)[1:]:
            _solve(head, layer, vectors, tf.constant(data.train.labels[target.name]))


def _solve(head: Head, layer: keras.layers.Dense, vectors: tf.Tensor, labels: tf.Tensor) -> None:
    """Set kernel and bias to the minimum of loss and penalty over all rows."""
    from scipy.optimize import minimize

    labelled = present(labels)
    known, shape = filled(labels, labelled), tuple(layer.kernel.shape)

    def objective(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(values)
            kernel, bias = tf.reshape(values[: -shape[1]], shape), values[-shape[1] :]
            losses = head.row_losses(known, tf.matmul(vectors, kernel) + bias)
            loss = masked_mean(losses, labelled) + layer.kernel.regularizer(kernel)
        return loss, tape.gradient(loss, values)

    traced = tf.function(objective, autograph=False)

    def evaluated(values: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slope = traced(tf.constant(values, tf.float32))
        return float(loss), slope.numpy().astype(np.float64)

    # not from zeros: at a logit of exactly 0, the derivative of the loss in TensorFlow is wrong
    start = np.concatenate([np.ravel(layer.kernel), np.ravel(layer.bias)]).astype(np.float64)
    found = minimize(evaluated, start, jac=True, method="L-BFGS-B").x.astype(np.float32)
    layer.kernel.assign(found[: -shape[1]].reshape(shape))
    layer.bias.assign(found[-shape[1] :])


def represented(model: MultitaskModel, rows: Rows, keep: tuple[str, ...]) -> Rows:
    """The same rows with what the trunk computes of them instead of its features.

    keep: names of other columns that stay.
    """
    encode = tf.function(model.encode, reduce_retracing=True, autograph=False)
    parts = []
    for start in range(0, len(rows), ENCODED_ROWS):
        at = slice(start, start + ENCODED_ROWS)
        features = {n: tf.constant(rows.features[n][at]) for n in model.trunk.input}
        parts.append(np.asarray(encode(features)))
    kept = {name: rows.features[name] for name in keep if name in rows.features}
    return Rows({REPRESENTATION: np.concatenate(parts), **kept}, rows.labels)


def _step(
    model: MultitaskModel, pairs: Pairs, pairing: Pairing, optimizer: keras.optimizers.Optimizer
) -> Callable[[Mapping[str, tf.Tensor], tf.Tensor], tf.Tensor]:
    """A function from features and classes, int64 [tasks, rows], to the loss; it trains."""
    values = [v.value for v in pairs.variables]

    def train(features: Mapping[str, tf.Tensor], classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            vectors = model.trunk(features, training=True)
            vectors = keras.ops.reshape(vectors, (-1, model.members * vectors.shape[-1]))
            loss = sum(
                target.task.weight * pair_loss(vectors, classes[i])
                for i, target in enumerate(pairing.tasks)
            )
        zero = tf.UnconnectedGradients.ZERO
        optimizer.apply(tape.gradient(loss, values, unconnected_gradients=zero), pairs.variables)
        return loss

    traced: Callable[[Mapping[str, tf.Tensor], tf.Tensor], tf.Tensor] = tf.function(
        train, reduce_retracing=True, autograph=False
    )
    return traced


def _counts(target: TaskTarget) -> str:
    return ", ".join(f"{n:,} {c}" for c, n in zip(target.classes, target.class_counts, strict=True))


def _summary(
    pairing: Pairing, pairs: Pairs, steps: int, seed: int, losses: list[float]
) -> PairTraining:
    counts, rows = np.zeros((len(pairing.tasks), 2), np.int64), 0
    for step in range(steps):
        chosen = pairing.rows_of(step, pairs.rows, seed)
        rows += len(chosen)
        for i, classes in enumerate(pairing.classes[:, chosen]):
            _, each = np.unique(classes[classes >= 0], return_counts=True)
            same, every = int((each * (each - 1)).sum()) // 2, int(each.sum())
            counts[i] += same, every * (every - 1) // 2 - same
    by_task = {t.name: (int(a), int(b)) for t, (a, b) in zip(pairing.tasks, counts, strict=True)}
    return PairTraining(steps, rows, by_task, (losses[0], losses[-1]))
