"""Evaluates a batch at hypothetical (look-ahead) parameters. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from models.balancing.base import Lookahead
from models.lazy import tf
from models.multitask import replicas
from models.multitask.batch_losses import BatchLosses, Tensors, batch_losses
from models.multitask.parts import MultitaskParts


class BatchLookahead(Lookahead):
    """Shifts all trainable parameters except the balancing method's own state."""

    def __init__(self, model: MultitaskParts, features: Tensors, labels: Tensors) -> None:
        state = {id(v) for v in model.balancer.variables}
        self._model = model
        self._variables = [v for v in model.trainable_variables if id(v) not in state]
        self._sizes = [int(np.prod(v.shape)) for v in self._variables]
        count = tf.shape(next(iter(labels.values())))[0]
        half = tf.cast(replicas.total(tf.cast(count, tf.float32)), tf.int32) // 2
        middle = replicas.part_of_half(half, replicas.count(), replicas.index())
        self._halves = [
            [{name: x[rows] for name, x in tensors.items()} for tensors in (features, labels)]
            for rows in (slice(None, middle), slice(middle, None))
        ]
        self.learning_rate = tf.cast(model.optimizer.learning_rate, tf.float32)

    def losses(self, half: int) -> tuple[tf.Tensor, tf.Tensor]:
        batch = self._losses(half)
        return batch.losses, batch.present

    def task_gradients(self, half: int) -> tf.Tensor:
        with tf.GradientTape(persistent=True) as tape:
            each = self._losses(half).each
        rows = [self._flat(tape.gradient(loss, self._variables)) for loss in each]
        return replicas.total(tf.stack(rows))

    def gradient(self, half: int, weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(weights * self._losses(half).losses)
        return replicas.total(self._flat(tape.gradient(total, self._variables)))

    @contextmanager
    def shifted(self, by: tf.Tensor) -> Iterator[None]:
        before = [tf.identity(v.value) for v in self._variables]
        for v, old, shift in zip(self._variables, before, tf.split(by, self._sizes), strict=True):
            v.assign(old + tf.cast(tf.reshape(shift, v.shape), v.dtype))
        yield
        for v, old in zip(self._variables, before, strict=True):
            v.assign(old)

    def _losses(self, half: int) -> BatchLosses:
        features, labels = self._halves[half]
        model = self._model
        outputs = model.towers(model.represent(features, training=False), training=False)
        return batch_losses(model.heads, labels, outputs, model.members).over_replicas()

    def _flat(self, gradients: list[tf.Tensor | None]) -> tf.Tensor:
        """The gradients as one vector [parameters]; zeros for None."""
        pieces = [
            tf.zeros(size) if g is None else tf.reshape(tf.cast(g, tf.float32), [size])
            for g, size in zip(gradients, self._sizes, strict=True)
        ]
        return tf.concat(pieces, 0)
