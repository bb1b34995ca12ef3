"""Batches of rows as a `tf.data.Dataset`. Importing this module imports TensorFlow.

The order depends only on the seed and the epoch, so a resumed run sees the same batches.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from components.labels.encoding import labelled
from components.training.length_groups import LengthGroups
from components.training.rows import IN_MEMORY_BYTES, Rows
from components.training.sampling import Proportional, Sampling, order_of, rows_by_source
from components.transform.batches import ShardedRows
from models.inputs.layers.augment import Augment
from models.lazy import tf
from models.multitask.batch_losses import OWN_SHARE

Batch = tuple[dict[str, "tf.Tensor"], dict[str, "tf.Tensor"]]
AHEAD = 4
"""Batches that are read ahead of the training step."""
SEED_OF_REPLICA = 1_000_003
"""Difference between the seeds of two replicas."""
PARALLEL = os.cpu_count() or 1
"""Batches that are gathered and changed at once."""


def training_batches(
    rows: Rows,
    batch_size: int,
    seed: int,
    epoch: tf.Variable,
    sampling: Sampling | None = None,
    *,
    steps: int | None = None,
    lengths: np.ndarray | None = None,
    augment: Augment | None = None,
    replicas: int = 1,
    own: range = range(1),
) -> tf.data.Dataset:
    """(features, labels) batches of one epoch; the last batch may be smaller.

    With several replicas, a batch is divided between them: see `_parts`.

    epoch: int64 scalar, read when an iterator starts; it determines the order together with `seed`.
    sampling: how often to read the rows of each source; every row once if None.
    steps: number of steps of an epoch. An epoch continues where the one before it ended, and starts
        again at the end of the rows. If None, an epoch is about one pass over the rows.
    lengths: int [rows], to put rows of similar length into a batch; None to ignore lengths.
    augment: random changes of images, determined by `seed`, epoch and step. One that mixes images
        needs one image as the only feature. Replicas draw different changes.
    batch_size: rows of a step, over all `replicas`. own: the numbers of those of this process.

    Raises:
        RootstockError: `sampling` does not fit the sources.
    """
    n, order_of_epoch = _order(rows, batch_size, seed, sampling, steps)
    count = -(-n // batch_size)
    by_length = None if lengths is None else LengthGroups(lengths, batch_size)

    def indices(_: tf.Tensor) -> tf.data.Dataset:
        now = epoch.read_value()
        order = order_of_epoch(now)
        if by_length is not None:
            order = by_length(order, tf.stack([now, tf.constant(seed, tf.int64)]))
        positions = tf.data.Dataset.range(count)
        return positions.map(lambda step: order[step * batch_size : (step + 1) * batch_size])

    shuffled = tf.data.Dataset.range(1).flat_map(indices)
    batches = shuffled.map(_parts(_gather(rows), replicas, own), PARALLEL, deterministic=True)
    if augment is not None:
        batches = tf.data.Dataset.zip(batches, _seeds(epoch, count, seed))
        changed = _each_changed(augment, own)
        batches = batches.map(changed, PARALLEL, deterministic=True)
    return _read_ahead(batches.apply(tf.data.experimental.assert_cardinality(count)))


def _order(
    rows: Rows, batch_size: int, seed: int, sampling: Sampling | None, steps: int | None
) -> tuple[int, Callable[[tf.Tensor], tf.Tensor]]:
    """Number n of rows of an epoch, and a function from its index, int64, to rows, int32 [n]."""
    total, rows_per_epoch = len(rows), None if steps is None else steps * batch_size

    def shuffled(index: tf.Tensor) -> tf.Tensor:
        at = tf.stack([tf.constant(seed, tf.int64), index])
        return tf.random.experimental.stateless_shuffle(tf.range(total), seed=at)

    if sampling is not None and not isinstance(sampling, Proportional):
        groups = rows_by_source({name: labelled(values) for name, values in rows.labels.items()})
        sampled = order_of(sampling, groups, batch_size, seed, rows_per_epoch)
        n = len(sampled(0))

        def sampled_order(epoch: tf.Tensor) -> tf.Tensor:
            order = tf.numpy_function(sampled, [epoch], tf.int64, stateful=False)
            return tf.cast(tf.ensure_shape(order, [n]), tf.int32)

        return n, sampled_order
    if rows_per_epoch is None:
        return total, shuffled
    passes = rows_per_epoch // total + 2

    def part(epoch: tf.Tensor) -> tf.Tensor:
        first, begin = epoch * rows_per_epoch // total, epoch * rows_per_epoch % total
        indices = first + tf.range(passes, dtype=tf.int64)
        orders = tf.map_fn(shuffled, indices, fn_output_signature=tf.int32)
        return tf.reshape(orders, [-1])[begin : begin + rows_per_epoch]

    return rows_per_epoch, part


def evaluation_batches(
    rows: Rows, batch_size: int, replicas: int = 1, own: range = range(1)
) -> tf.data.Dataset:
    """(features, labels) batches of all rows, in order; divided as `training_batches` are."""
    n = len(rows)
    starts = tf.data.Dataset.range(0, n, batch_size)
    indices = starts.map(lambda start: tf.range(start, tf.minimum(start + batch_size, n)))
    batches = indices.map(_parts(_gather(rows), replicas, own), PARALLEL, deterministic=True)
    return _read_ahead(batches)


def _parts(
    gather: Callable[[tf.Tensor], Batch], replicas: int, own: range
) -> Callable[[tf.Tensor], Batch | tuple[Batch, ...]]:
    """A function from the row indices of a batch to the rows of one replica, or to a tuple with
    those of each of several `own` ones. Replica i has rows i, i + replicas, i + 2 * replicas, ...
    """
    if len(own) == 1:
        (number,) = own
        return gather if replicas == 1 else lambda indices: gather(indices[number::replicas])
    return lambda indices: tuple(gather(indices[number::replicas]) for number in own)


def _read_ahead(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches. Nothing is tuned: the thread that tunes a dataset takes up to a second to
    end, after every pass.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(AHEAD).with_options(options)


def _seeds(epoch: tf.Variable, count: int, seed: int) -> tf.data.Dataset:
    """A seed, int64 [2], for each step of an epoch."""

    def each(_: tf.Tensor) -> tf.data.Dataset:
        first = epoch.read_value() * count
        steps = tf.data.Dataset.range(count)
        return steps.map(lambda step: tf.stack([tf.constant(seed, tf.int64), first + step]))

    return tf.data.Dataset.range(1).flat_map(each)


def _each_changed(augment: Augment, own: range) -> Callable[[Any, tf.Tensor], Any]:
    """`_changed`, for what `_parts` gives. The seeds of replicas differ."""

    def part(batch: Batch, seed: tf.Tensor, number: int) -> Batch:
        own_seed = seed + tf.constant([SEED_OF_REPLICA * number, 0], tf.int64) if number else seed
        return _changed(augment, batch, own_seed)

    if len(own) == 1:
        return partial(part, number=own[0])
    return lambda parts, seed: tuple(
        part(b, seed, number) for b, number in zip(parts, own, strict=True)
    )


def _changed(augment: Augment, batch: Batch, seed: tf.Tensor) -> Batch:
    """The same (features, labels), with changed images. Labels of mixed images have `OWN_SHARE`."""
    features, labels = batch
    changed = {n: augment(x, seed) if x.dtype == tf.uint8 else x for n, x in features.items()}
    if augment.mixes:
        (name,) = (name for name, x in features.items() if x.dtype == tf.uint8)
        changed[name], shares = augment.mixed(changed[name], seed)
        labels = labels | {OWN_SHARE: shares}
    return changed, labels


def _gather(rows: Rows) -> Callable[[tf.Tensor], Batch]:
    """A function from row indices [batch] to (features, labels)."""
    arrays = [*rows.features.values(), *rows.labels.values()]
    if sum(a.nbytes for a in arrays) <= IN_MEMORY_BYTES:
        take = partial(_from_memory, [tf.constant(a) for a in arrays])
    else:
        take = partial(_from_disk, arrays)

    def batch(indices: tf.Tensor) -> Batch:
        columns = iter(take(indices))
        features = {name: next(columns) for name in rows.features}
        return features, {name: next(columns) for name in rows.labels}

    return batch


def _from_memory(tensors: list[tf.Tensor], indices: tf.Tensor) -> list[tf.Tensor]:
    return [tf.gather(t, indices) for t in tensors]


def _from_disk(arrays: list[np.ndarray | ShardedRows], indices: tf.Tensor) -> list[tf.Tensor]:
    def read(rows: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(a[rows]) for a in arrays]

    taken = tf.numpy_function(read, [indices], [a.dtype for a in arrays], stateful=False)
    return [tf.ensure_shape(t, (None, *a.shape[1:])) for t, a in zip(taken, arrays, strict=True)]
