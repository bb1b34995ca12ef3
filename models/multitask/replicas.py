"""Sums over replicas: copies of a model that train together, each on its part of a batch.

Replicas are those of `tf.distribute`, on the devices of a process or in several processes. All of
them have equal weights and equal state, because whatever changes these is computed from sums that
are equal to the bit everywhere. On one device, and outside of a training step, every function
returns its argument and adds nothing to the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.lazy import Tensor, keras, tf


def count() -> int:
    """Number of replicas in the step that is traced now."""
    context = _context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def index() -> int:
    """Number of this replica, from 0."""
    context = _context()
    if context is None:
        return 0
    number = context.replica_id_in_sync_group  # in a graph, a constant tensor
    return int(tf.get_static_value(number) if tf.is_tensor(number) else number)


def total(x: Tensor) -> Tensor:
    """The sum of a tensor over all replicas, as a constant."""
    return totals([x])[0]


def totals(tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The sums of several tensors in one exchange, as constants; None stays None."""
    if count() == 1:
        return list(tensors)
    dense = [None if x is None else tf.convert_to_tensor(x) for x in tensors]
    values = [tf.stop_gradient(x) for x in dense if x is not None]
    sums = iter(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values))
    # without the second `stop_gradient`, backward passes would send gradients that nobody uses
    return [None if x is None else tf.stop_gradient(next(sums)) for x in dense]


def total_of_shares(share: Tensor) -> Tensor:
    """The sum over all replicas, whose gradient reaches this replica's share only.

    So each replica computes its share of a gradient, and `totals` of these is the gradient.
    """
    if count() == 1:
        return share
    summed: Tensor = tf.custom_gradient(lambda x: (total(x), lambda upstream: upstream))(share)
    return summed


def equal_share(x: Tensor) -> Tensor:
    """A value that all replicas compute alike. Each has an equal share of its gradient."""
    if (replicas := count()) == 1:
        return x
    shared: Tensor = tf.custom_gradient(lambda x: (x, lambda upstream: upstream / replicas))(x)
    return shared


def part_of_half(half: Tensor, replicas: int, number: int) -> Tensor:
    """Rows of a replica that lie in the first `half` rows of the batch. Replica `number` has every
    `replicas`-th row, beginning with row `number`.
    """
    return (half - number + replicas - 1) // replicas


def _context() -> Any:
    if keras.config.backend() != "tensorflow":
        return None
    return tf.distribute.get_replica_context()
