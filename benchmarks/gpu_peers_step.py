"""A training step of our models on Keras's JAX backend, as one compiled function.

It computes what `models.multitask.train_step` computes with TensorFlow's tapes, on one device,
with balancing at the representation. It leaves out the look-ahead of bilevel methods, penalties on
weights and the figures of an epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from models.balancing.base import GradientBalancer, HindsightBalancer, TaskGradients
from models.lazy import keras
from models.multitask.batch_losses import BatchLosses, batch_losses
from models.multitask.parts import MultitaskParts

Arrays = Any
"""Arrays of JAX, in lists and dicts."""


class JaxStep:
    """`state`, and `__call__`: from state, features and labels to the next state and the objective.

    The state holds the values of trainable variables, of other variables, and of the optimizer.
    """

    def __init__(self, model: MultitaskParts, optimizer: keras.optimizers.Optimizer) -> None:
        self.model, self.optimizer = model, optimizer
        self.trained, self.other = model.trainable_variables, model.non_trainable_variables
        optimizer.build(self.trained)
        shared = {id(v) for v in model.shared_variables({})}
        self.shared = [i for i, v in enumerate(self.trained) if id(v) in shared]
        variables = self.trained, self.other, optimizer.variables
        self.state = tuple([v.value for v in each] for each in variables)

    def __call__(self, state: Arrays, features: Arrays, labels: Arrays) -> tuple[Arrays, Arrays]:
        trained, other, slots = state
        balanced = isinstance(self.model.balancer, GradientBalancer) and self.shared
        passes = self._balanced if balanced else self._plain
        gradients, other, batch, objective = passes(trained, other, features, labels)
        trained, slots = self.optimizer.stateless_apply(slots, gradients, trained)
        if isinstance(self.model.balancer, HindsightBalancer):
            with self._values(trained, other) as scope:
                after = self._losses(self.model.represent(features, training=True), labels)
                self.model.balancer.after_update(batch.losses, after.losses, batch.present)
            trained, other = _after(scope, self.trained), _after(scope, self.other)
        return (trained, other, slots), objective

    def outputs(self, state: Arrays, features: Arrays) -> Arrays:
        """The raw outputs by task."""
        with self._values(*state[:2]):
            return self.model(features)

    def _values(self, trained: Arrays, other: Arrays) -> keras.StatelessScope:
        variables = [*self.trained, *self.other]
        return keras.StatelessScope(list(zip(variables, [*trained, *other], strict=True)))

    def _losses(self, representation: Arrays, labels: Arrays) -> BatchLosses:
        outputs = self.model.towers(representation, training=True)
        return batch_losses(self.model.heads, labels, outputs, self.model.members)

    def _plain(self, trained: Arrays, other: Arrays, features: Arrays, labels: Arrays) -> Any:
        balancer = self.model.balancer
        scalar = balancer.objective if isinstance(balancer, GradientBalancer) else balancer

        def objective(trained: Arrays) -> Any:
            with self._values(trained, other) as scope:
                batch = self._losses(self.model.represent(features, training=True), labels)
                value = scalar(batch.losses, batch.present)
            return value, (_after(scope, self.other), _arrays(batch))

        result = jax.value_and_grad(objective, has_aux=True)(trained)
        (value, (other, batch)), gradients = result
        return gradients, other, BatchLosses(*batch), value

    def _balanced(self, trained: Arrays, other: Arrays, features: Arrays, labels: Arrays) -> Any:
        """See `models.multitask.gradient_step.balanced_pass`."""
        balancer, ops = self.model.balancer, keras.ops

        def represent(values: Arrays) -> Any:
            with self._values(_put(trained, self.shared, values), other) as scope:
                result = self.model.represent(features, training=True)
            return result, _after(scope, self.other)

        shared = [trained[i] for i in self.shared]
        representation, of_shared, other = jax.vjp(represent, shared, has_aux=True)
        rest = [i for i in range(len(trained)) if i not in set(self.shared)]

        def losses(point: Arrays, values: Arrays) -> Any:
            with self._values(_put(trained, rest, values), other) as scope:
                batch = self._losses(point, labels)
            return batch.losses, (_after(scope, self.other), _arrays(batch))

        of_rest = [trained[i] for i in rest]
        _, of_losses, (other, arrays) = jax.vjp(losses, representation, of_rest, has_aux=True)
        batch = BatchLosses(*arrays)

        def objective(losses: Arrays, values: Arrays) -> Any:
            with self._values(_put(trained, rest, values), other):
                return balancer.objective(losses, batch.present)

        value, of_objective = jax.value_and_grad(objective, (0, 1))(batch.losses, of_rest)
        rows, _ = jax.vmap(of_losses)(ops.eye(balancer.num_tasks))  # each task at the point
        parts, tree = jax.tree.flatten(rows)
        tasks, count = parts[0].shape[:2]
        wide = [ops.cast(ops.reshape(p, (tasks, count, -1)), "float32") for p in parts]
        gradients = ops.concatenate(wide, -1)
        flat = ops.reshape(gradients, (tasks, -1))
        points = [
            ops.cast(ops.reshape(p, (count, -1)), "float32")
            for p in jax.tree.leaves(representation)
        ]
        with jax.enable_x64(True), self._values(trained, other) as scope:  # solvers need float64
            combined, _ = balancer.combine(
                TaskGradients(
                    batch.losses,
                    batch.present,
                    gradients,
                    ops.matmul(flat, ops.transpose(flat)),
                    ops.concatenate(points, -1),
                )
            )
        other = _after(scope, self.other)
        ends = [sum(p.shape[-1] for p in wide[: i + 1]) for i in range(len(wide) - 1)]
        pieces = ops.split(combined, ends, -1)
        starts = [
            ops.cast(ops.reshape(piece, p.shape[1:]), p.dtype)
            for piece, p in zip(pieces, parts, strict=True)
        ]
        (of_trunk,) = of_shared(jax.tree.unflatten(tree, starts))
        _, of_towers = of_losses(of_objective[0])
        of_rest = [a + b for a, b in zip(of_towers, of_objective[1], strict=True)]
        total = _put(_put(list(trained), self.shared, of_trunk), rest, of_rest)
        return total, other, batch, value


def _put(values: Sequence[Any], places: Sequence[int], new: Sequence[Any]) -> list[Any]:
    result = list(values)
    for place, value in zip(places, new, strict=True):
        result[place] = value
    return result


def _after(scope: keras.StatelessScope, variables: Sequence[keras.Variable]) -> list[Any]:
    """The values of variables at the end of a scope."""
    values = [scope.get_current_value(v) for v in variables]
    return [v.value if value is None else value for v, value in zip(variables, values, strict=True)]


def _arrays(batch: BatchLosses) -> tuple[Any, ...]:
    return batch.losses, batch.rows, batch.totals, batch.weights, batch.each
