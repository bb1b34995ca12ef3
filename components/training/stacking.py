"""Learns the stack that has the last word over network and experts, on validation rows.

A weak expert must not harm, and neither must a network that learned too little. So the stack has
few, non-negative, regularised weights; every simpler answer (the network as it is, each member
alone) is a candidate too; and cross-validation within the validation rows decides among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from components.labels.base import Loss, Objective, labels_of
from components.training.rows import Rows
from models.experts.margins import MARGINS
from models.lazy import tf
from models.multitask.model import MultitaskModel

FOLDS = 5
FEWEST_ROWS = 20
"""With fewer labelled validation rows of a task, the network is served as it is."""
STRENGTH = 10.0
"""Of the penalty on the distance from the start: that many rows."""
BATCH_ROWS = 512


@dataclass(frozen=True)
class Stack:
    """weights: [members], not negative. bias: [units]."""

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        """Raw outputs [rows, units] from those of all members, [members, rows, units]."""
        return np.asarray(np.einsum("m,mru->ru", self.weights, outputs) + self.bias)


Fit = Callable[[np.ndarray], Stack]
"""From the rows to learn from, int64, to a stack."""


def stack_experts(model: MultitaskModel, val: Rows | None) -> dict[str, dict[str, float]]:
    """Set the last word of a model. Returns the weight of each member, by task and name.

    val: rows that neither network nor experts were fitted to, with their margins.
    """
    members = model.last_word.members
    if len(members) == 1:
        return {}
    alone = dict(zip(members, (1.0, *[0.0] * (len(members) - 1)), strict=True))
    if val is None:
        return {h.target.name: alone for h in model.heads}
    outputs = _outputs(model, val)
    margins = np.asarray(val.features[MARGINS][:])
    by_expert = np.split(margins, len(members) - 1, axis=1)
    chosen, first = {}, 0
    for head in model.heads:
        name, units = head.target.name, head.units
        own = [outputs[name], *(m[:, first : first + units] for m in by_expert)]
        first += units
        objectives = labels_of(head.target.task).objectives(head.target, val.labels[name])
        stack = learned(np.stack(own).astype(np.float64), objectives)
        model.last_word.assign(name, stack.weights, stack.bias)
        chosen[name] = dict(zip(members, map(float, stack.weights), strict=True))
    return chosen


def learned(outputs: np.ndarray, objectives: Sequence[Objective]) -> Stack:
    """The candidate with the least cross-validated loss; of equal ones, the simpler.

    outputs: [members, rows, units], the network's first.
    """
    known = np.all([o.known() for o in objectives], axis=0)
    outputs = outputs[:, known]
    objectives = _at(objectives, known)
    members, rows, units = outputs.shape
    network = Stack(np.eye(1, members)[0], np.zeros(units))
    if rows < FEWEST_ROWS:
        return network
    begin = np.eye(members)
    alone = [partial(_fitted, outputs, objectives, start, start > 0) for start in begin]
    together = [
        partial(_fitted, outputs, objectives, start, np.ones(members, bool))
        for start in (begin[0], np.full(members, 1 / members))
    ]
    candidates: list[Fit] = [lambda rows: network, *alone, *together]
    folds = np.random.default_rng(0).permutation(rows) % min(FOLDS, rows)
    losses = np.zeros(len(candidates))
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        held_out = _at(objectives, outside)
        losses += [_loss(fit(inside)(outputs[:, outside]), held_out) for fit in candidates]
    return candidates[int(np.argmin(losses))](np.arange(rows))


def _fitted(
    outputs: np.ndarray,
    objectives: Sequence[Objective],
    start: np.ndarray,
    free: np.ndarray,
    rows: np.ndarray,
) -> Stack:
    """Minimise loss + STRENGTH / 2 · |(weights, bias) - (start, 0)|², for weights that are free."""
    from scipy.optimize import minimize

    outputs, objectives = outputs[:, rows], _at(objectives, rows)
    units = outputs.shape[2]
    used = np.flatnonzero(free)

    def unpacked(values: np.ndarray) -> Stack:
        weights = start.copy()
        weights[used] = values[: len(used)]
        return Stack(weights, values[len(used) :])

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        stack = unpacked(values)
        combined = stack(outputs)
        loss, slope = _loss_and_slope(combined, objectives)
        moved = values - np.concatenate([start[used], np.zeros(units)])
        by_weight = np.einsum("mru,ru->m", outputs[used], slope)
        gradient = np.concatenate([by_weight, slope.sum(axis=0)])
        return loss + STRENGTH / 2 * float(moved @ moved), gradient + STRENGTH * moved

    begin = np.concatenate([start[used], np.zeros(units)])
    bounds = [(0.0, None)] * len(used) + [(None, None)] * units
    result = minimize(objective, begin, jac=True, method="L-BFGS-B", bounds=bounds)
    return unpacked(result.x)


def _at(objectives: Sequence[Objective], rows: np.ndarray) -> list[Objective]:
    return [
        Objective(task=o.task, loss=o.loss, labels=o.labels[rows], units=o.units)
        for o in objectives
    ]


def _loss(outputs: np.ndarray, objectives: Sequence[Objective]) -> float:
    return _loss_and_slope(outputs, objectives)[0]


def _loss_and_slope(
    outputs: np.ndarray, objectives: Sequence[Objective]
) -> tuple[float, np.ndarray]:
    """The sum of the losses of all rows, and its derivative [rows, units]."""
    total, slopes, first = 0.0, [], 0
    for objective in objectives:
        own = outputs[:, first : first + objective.units]
        first += objective.units
        loss, slope = LOSSES[objective.loss](own, objective.labels)
        total += float(loss.sum())
        slopes.append(slope)
    return total, np.concatenate(slopes, axis=1)


Pair = tuple[np.ndarray, np.ndarray]


def _logistic(outputs: np.ndarray, labels: np.ndarray) -> Pair:
    z = outputs[:, 0]
    slope = 1 / (1 + np.exp(-np.clip(z, -500, 500))) - labels
    return np.logaddexp(0, z) - labels * z, slope[:, None]


def _softmax(outputs: np.ndarray, labels: np.ndarray) -> Pair:
    logs = outputs - np.logaddexp.reduce(outputs, axis=1, keepdims=True)
    at = np.arange(len(labels)), labels.astype(np.int64)
    slope = np.exp(logs)
    slope[at] -= 1
    return -logs[at], slope


def _squared(outputs: np.ndarray, labels: np.ndarray) -> Pair:
    error = outputs[:, 0] - labels
    return error**2 / 2, error[:, None]


def _huber(outputs: np.ndarray, labels: np.ndarray) -> Pair:
    error = outputs[:, 0] - labels
    size, slope = np.abs(error), np.clip(error, -1, 1)
    return np.where(size <= 1, error**2 / 2, size - 0.5), slope[:, None]


def _poisson(outputs: np.ndarray, labels: np.ndarray) -> Pair:
    rate = np.exp(np.minimum(outputs[:, 0], 40.0))
    return rate - labels * outputs[:, 0], (rate - labels)[:, None]


LOSSES: Mapping[Loss, Callable[[np.ndarray, np.ndarray], Pair]] = {
    "logistic": _logistic,
    "softmax": _softmax,
    "squared": _squared,
    "huber": _huber,
    "poisson": _poisson,
}


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
