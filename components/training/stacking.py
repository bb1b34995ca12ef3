"""Learns the stack that has the last word over network and experts.

A weak expert must not harm, and neither must a network that learned too little. So there are two
small, non-negative, regularised stacks: of the experts, learned on training rows out of fold, of
which there are many; and of the network with them, learned on validation rows, which the network
has not seen. The first begins with equal parts, the second with more of the network the more
training rows there are. Few rows move them little: 28 validation rows of a table with 303 training
rows stretched both by a half, and R2 on test rows fell from .36 to .19, when they were free to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.labels.base import Objective, labels_of
from components.labels.point_losses import LOSSES
from components.training.rows import Rows
from models.experts.margins import MARGINS
from models.lazy import tf
from models.multitask.model import MultitaskModel

FOLDS = 10
STRENGTH = 200.0
"""Of the penalty on the distance from the start: that many rows."""
HALF_TRUST = 1000
"""Training rows with which a network that starts at random has half of the weight at first."""
FEWEST_ROWS = 50
"""With fewer labelled validation rows of a task, neither network nor experts are left out."""
BATCH_ROWS = 512


@dataclass(frozen=True)
class Stack:
    """weights: [members], not negative. bias: [units]."""

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        """Raw outputs [rows, units] from those of all members, [members, rows, units]."""
        return np.asarray(np.einsum("m,mru->ru", self.weights, outputs) + self.bias)


def stack_experts(
    model: MultitaskModel, train: Rows, val: Rows | None, fine_tuned: bool
) -> dict[str, dict[str, float]]:
    """Set the last word of a model. Returns the weight of each member, by task and name.

    train: with the margins of experts that have not seen the row. val: rows that neither network
        nor experts were fitted to, with their margins; None if there are none.
    fine_tuned: whether the network has pretrained weights that were trained on; then it begins with
        all of the weight.
    """
    members = model.last_word.members
    if len(members) == 1:
        return {}
    outputs = {} if val is None else _outputs(model, val)
    chosen, first = {}, 0
    for head in model.heads:
        name, own = head.target.name, slice(first, first + head.units)
        first += head.units
        labels = labels_of(head.target.task)

        def margins(rows: Rows, own: slice = own) -> np.ndarray:
            parts = np.split(np.asarray(rows.features[MARGINS][:]), len(members) - 1, axis=1)
            return np.stack([part[:, own] for part in parts]).astype(np.float64)

        objectives = labels.objectives(head.target, train.labels[name])
        experts = blended(margins(train), objectives)
        labelled = int(np.all([o.known() for o in objectives], axis=0).sum())
        trust = 1.0 if fine_tuned else labelled / (labelled + HALF_TRUST)
        both = Stack(np.array([trust, 1 - trust]), np.zeros(head.units))
        if val is not None:
            pair = np.stack([outputs[name].astype(np.float64), experts(margins(val))])
            both = weighed(pair, labels.objectives(head.target, val.labels[name]), trust)
        weights = np.concatenate([both.weights[:1], both.weights[1] * experts.weights])
        model.last_word.assign(name, weights, both.bias + both.weights[1] * experts.bias)
        chosen[name] = dict(zip(members, map(float, weights), strict=True))
    return chosen


def blended(outputs: np.ndarray, objectives: Sequence[Objective]) -> Stack:
    """The stack of experts that is best for rows which they have not seen.

    outputs: [experts, rows, units].
    """
    outputs, objectives = _labelled(outputs, objectives)
    experts, rows, units = outputs.shape
    equal = Stack(np.full(experts, 1 / experts), np.zeros(units))
    return _fitted(outputs, objectives, equal, np.arange(rows))


def weighed(outputs: np.ndarray, objectives: Sequence[Objective], trust: float) -> Stack:
    """The stack of network and experts. Either of them alone, as it is, is preferred where
    cross-validation finds it better by more than two standard errors.

    outputs: [2, rows, units], the network's first. trust: the weight of the network to begin with,
        from 0 to 1; the experts have the rest.
    """
    outputs, objectives = _labelled(outputs, objectives)
    _, rows, units = outputs.shape
    none = np.zeros(units)
    start = Stack(np.array([trust, 1 - trust]), none)
    alone = [Stack(weights, none) for weights in np.eye(2)]
    if rows >= FEWEST_ROWS:
        losses = np.zeros((3, rows))
        folds = np.random.default_rng(0).permutation(rows) % FOLDS
        for fold in range(FOLDS):
            inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            held_out = _at(objectives, outside)
            stacks = [_fitted(outputs, objectives, start, inside), *alone]
            losses[:, outside] = [_losses(s(outputs[:, outside]), held_out)[0] for s in stacks]
        better = losses[0] - losses[1:]
        least = 2 * better.std(axis=1, ddof=1) / np.sqrt(rows)
        gains = np.where(better.mean(axis=1) > least, better.mean(axis=1), 0.0)
        if gains.max() > 0:
            return alone[int(gains.argmax())]
    return _fitted(outputs, objectives, start, np.arange(rows))


def _labelled(
    outputs: np.ndarray, objectives: Sequence[Objective]
) -> tuple[np.ndarray, list[Objective]]:
    """The rows that have a label."""
    known = np.all([o.known() for o in objectives], axis=0)
    return outputs[:, known], _at(objectives, known)


def _fitted(
    outputs: np.ndarray, objectives: Sequence[Objective], start: Stack, rows: np.ndarray
) -> Stack:
    """Minimise loss + STRENGTH / 2 · |(weights, bias) - start|² with non-negative weights."""
    from scipy.optimize import minimize

    outputs, objectives = outputs[:, rows], _at(objectives, rows)
    members = len(outputs)
    begin = np.concatenate([start.weights, start.bias])

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        losses, slope = _losses(Stack(values[:members], values[members:])(outputs), objectives)
        by_weight = np.einsum("mru,ru->m", outputs, slope)
        moved = values - begin
        gradient = np.concatenate([by_weight, slope.sum(axis=0)]) + STRENGTH * moved
        return float(losses.sum()) + STRENGTH / 2 * float(moved @ moved), gradient

    bounds = [(0.0, None)] * members + [(None, None)] * len(start.bias)
    values = minimize(objective, begin, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Stack(values[:members], values[members:])


def _at(objectives: Sequence[Objective], rows: np.ndarray) -> list[Objective]:
    return [
        Objective(task=o.task, loss=o.loss, labels=o.labels[rows], units=o.units)
        for o in objectives
    ]


def _losses(outputs: np.ndarray, objectives: Sequence[Objective]) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each row, and its derivative [rows, units]."""
    total, slopes, first = np.zeros(len(outputs)), [], 0
    for objective in objectives:
        own = outputs[:, first : first + objective.units]
        first += objective.units
        loss = LOSSES[objective.loss]
        targets = loss.targets(objective.labels, objective.units)
        total += loss.values(own[:, None], targets)[:, 0]
        slopes.append(loss.gradients(own[:, None], targets)[:, 0])
    return total, np.concatenate(slopes, axis=1)


def _outputs(model: MultitaskModel, rows: Rows) -> dict[str, np.ndarray]:
    """Raw outputs of the network by task."""
    network = tf.function(
        lambda features: model(features, training=False), reduce_retracing=True, autograph=False
    )
    parts = []
    for start in range(0, len(rows), BATCH_ROWS):
        at = slice(start, start + BATCH_ROWS)
        parts.append(network({n: tf.constant(v[at]) for n, v in rows.features.items()}))
    return {name: np.concatenate([p[name].numpy() for p in parts]) for name in parts[0]}
