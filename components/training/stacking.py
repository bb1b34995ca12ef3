"""Learns the stack that has the last word over network and experts.

A weak expert must not harm, and neither must a network that learned too little. So there are two
small stacks: of the experts, learned on training rows out of fold, of which there are many; and of
the network with them, learned on validation rows, which the network has not seen. The first begins
with equal parts, the second with more of the network the more training rows there are.

Weights are not negative and sum to one, as Breiman (Stacked regressions, 1996) advises and van der
Laan, Polley and Hubbard (Super learner, 2007) do. Members are models of the same thing, and losses
are convex, so the loss of such a stack is at most the average loss of its members, however few rows
choose it. With a free sum, 28 validation rows of a table stretched a stack by a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.errors import RootstockError
from components.labels.base import Objective, labels_of
from components.labels.point_losses import LOSSES
from components.training.rows import Rows
from components.training.settings import LastWordOf
from models.experts.margins import MARGINS
from models.lazy import tf
from models.multitask.model import MultitaskModel

PRIOR_ROWS = 20.0
"""Strength of the penalty on the distance of the weights from the start."""
BIAS_ROWS = 200.0
"""The same for the bias. Members are fitted with biases of their own, so few rows mend nothing."""
HALF_TRUST = 1000
"""Training rows with which a network that starts at random has half of the weight at first."""
BATCH_ROWS = 512
NO_EXPERTS = (
    "model.last_word: experts alone should answer, but no kind of expert can learn from these"
    " inputs or rows. Expected `last_word: stack`."
)


@dataclass(frozen=True)
class Stack:
    """weights: [members], not negative, their sum 1. bias: [units]."""

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        """Raw outputs [rows, units] from those of all members, [members, rows, units]."""
        return np.asarray(np.einsum("m,mru->ru", self.weights, outputs) + self.bias)


def stack_experts(
    model: MultitaskModel,
    train: Rows,
    val: Rows | None,
    fine_tuned: bool,
    last_word: LastWordOf = "stack",
) -> dict[str, dict[str, float]]:
    """Set the last word of a model. Returns the weight of each member, by task and name.

    train: with the margins of experts that have not seen the row. val: rows that neither network
        nor experts were fitted to, with their margins; None if there are none.
    fine_tuned: whether the network has pretrained weights that were trained on; then it begins with
        all of the weight.
    last_word: with `experts` the network has none.

    Raises:
        RootstockError: experts alone should answer, and there are none.
    """
    members = model.last_word.members
    alone = last_word == "experts"
    if len(members) == 1:
        if alone:
            raise RootstockError(NO_EXPERTS)
        return {}
    outputs = {} if val is None or alone else _outputs(model, val)
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
        trust = 0.0 if alone else trust
        both = Stack(np.array([trust, 1 - trust]), np.zeros(head.units))
        if val is not None and not alone:
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
    return _fitted(outputs, objectives, np.full(len(outputs), 1 / len(outputs)))


def weighed(outputs: np.ndarray, objectives: Sequence[Objective], trust: float) -> Stack:
    """The stack of network and experts.

    outputs: [2, rows, units], the network's first. trust: the weight of the network to begin with,
        from 0 to 1; the experts have the rest.
    """
    return _fitted(outputs, objectives, np.array([trust, 1 - trust]))


def _fitted(outputs: np.ndarray, objectives: Sequence[Objective], start: np.ndarray) -> Stack:
    """Minimise the sum of losses + PRIOR_ROWS / 2 · |weights - start|² + BIAS_ROWS / 2 · |bias|²
    over the labelled rows. Where the noise of numbers is small, so are their losses, and both
    penalties are scaled alike: else no rows could move the weights of a nearly exact model.

    outputs: [members, rows, units]. start: [members].
    """
    from scipy.optimize import minimize

    known = np.all([o.known() for o in objectives], axis=0)
    outputs, objectives = outputs[:, known], [_at(o, known) for o in objectives]
    members, rows, units = outputs.shape
    prior = np.repeat([PRIOR_ROWS, BIAS_ROWS], [members, units])
    if rows:
        least = min(float(_losses(member, objectives)[0].mean()) for member in outputs)
        prior = prior * np.clip(max(LOSSES[o.loss].dispersion(least) for o in objectives), 1e-4, 1)
    begin = np.concatenate([start, np.zeros(units)])

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        losses, slope = _losses(Stack(values[:members], values[members:])(outputs), objectives)
        by_weight = np.einsum("mru,ru->m", outputs, slope)
        moved = values - begin
        gradient = np.concatenate([by_weight, slope.sum(axis=0)]) + prior * moved
        total = float(losses.sum()) + float(prior @ moved**2) / 2
        return total / (rows + 1), gradient / (rows + 1)  # SLSQP's tolerance is absolute

    sums = np.concatenate([np.ones(members), np.zeros(units)])
    values = minimize(
        objective,
        begin,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * members + [(None, None)] * units,
        constraints=[{"type": "eq", "fun": lambda v: sums @ v - 1, "jac": lambda _: sums}],
        options={"ftol": 1e-10, "maxiter": 200},
    ).x
    weights = np.maximum(values[:members], 0)
    return Stack(weights / weights.sum(), values[members:])


def _at(objective: Objective, rows: np.ndarray) -> Objective:
    return replace(objective, labels=objective.labels[rows])


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
