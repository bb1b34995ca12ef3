"""Chooses the probability above which the answer of a task is yes, on rows that the model has not
seen.

The best threshold for F1 is half of the best F1 that the model can reach (Lipton, Elkan and
Naryanaswamy 2014, arXiv:1402.1892, theorem 1), so it is far below 0.5 where a rare class is hard to
tell. Training rows with the margins of experts out of fold are such rows too, so that few labels
need not be spent on validation. A threshold from costs is not chosen, because it follows from
probabilities; it is checked on validation rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from components.calibration.unseen import Unseen, folds, standard_error
from components.stage import Observer
from models.lazy import tf
from models.multitask.answering import Answering
from models.tasks.base import DECISION, Costs, DecisionMetric

FEWEST_POSITIVES = 2
STANDARD_ERRORS = 2.0
Counts = np.ndarray
METRICS: Mapping[DecisionMetric, Callable[[Counts, Counts, Counts, int, int], Counts]] = {
    "f1": lambda hits, rejected, claims, positives, rows: 2 * hits / (claims + positives),
    "accuracy": lambda hits, rejected, claims, positives, rows: (hits + rejected) / rows,
    "balanced_accuracy": lambda hits, rejected, claims, positives, rows: (
        (hits / positives + rejected / max(rows - positives, 1)) / 2
    ),
}
"""Of rows that are rightly yes, rightly no, and answered yes; positive rows, and all rows."""


def choose_decisions(
    answering: Answering, unseen: Mapping[str, Unseen], observer: Observer
) -> dict[str, float]:
    """The threshold of each task whose `decision` asks for one to be chosen.

    Of a task with costs it says what answers cost, and warns if they cost more than those at 0.5.

    answering: with the calibrations. unseen: rows by task, with raw outputs.
    """
    chosen = {}
    for head in answering.heads:
        name, wanted = head.target.name, head.target.task.decides_by
        if not isinstance(wanted, str | Costs):
            continue
        rows = unseen[name].of_validation if isinstance(wanted, Costs) else unseen[name]
        outputs = tf.constant(rows.outputs, tf.float32)
        p = answering.calibrated(head, outputs).numpy().astype(np.float64).ravel()
        yes = rows.labels.ravel() > 0.5
        if isinstance(wanted, Costs):
            _check_costs(name, wanted, yes, p, rows.groups, observer)
            continue
        chosen[name] = best_decision(yes, p, wanted)
        if len(own := unseen[name].of_validation):
            labels = own.outputs.size  # of several classes, each row has several
            said = gained(yes[:labels], p[:labels], own.groups, wanted)
            observer.figure(f"{name} {wanted}", said)
        if yes.sum() < FEWEST_POSITIVES:
            observer.warn(
                f"tasks.{name}.decision: {int(yes.sum())} positive labels in rows that the model"
                f" has not seen are too few to choose it: it is {DECISION}. Expected"
                f" {FEWEST_POSITIVES} or more: give data.splits.val a share, or state a number."
            )
    return chosen


def best_decision(yes: np.ndarray, p: np.ndarray, metric: DecisionMetric = "f1") -> float:
    """The middle of the thresholds with the best metric; 0.5 for fewer than `FEWEST_POSITIVES`.

    yes: bool [n], which labels are positive. p: float64 [n], their probabilities.
    """
    rows, positives = len(yes), int(yes.sum())
    if positives < FEWEST_POSITIVES:
        return DECISION
    order = np.argsort(-p, kind="stable")
    ranked = np.concatenate([[1.0], p[order], [0.0]])
    # the numbers of yes: none, or all rows down to one that is followed by a lower probability
    claims = np.append(0, 1 + np.flatnonzero(np.append(ranked[2:-1] != ranked[1:-2], True)))
    hits = np.append(0, np.cumsum(yes[order]))[claims]
    rejected = rows - claims - (positives - hits)  # rightly
    values = METRICS[metric](hits, rejected, claims, positives, rows)
    best = np.flatnonzero(values >= values.max() - 1e-12)
    middle = claims[best[len(best) // 2]]
    return float((ranked[middle] + ranked[middle + 1]) / 2)


def _value(yes: np.ndarray, claims: np.ndarray, metric: DecisionMetric) -> float:
    """0 if no row is positive."""
    counts = (yes & claims).sum(), (~yes & ~claims).sum(), claims.sum()
    return float(METRICS[metric](*counts, int(yes.sum()), len(yes))) if yes.any() else 0.0


def gained(yes: np.ndarray, p: np.ndarray, groups: np.ndarray, metric: DecisionMetric) -> str:
    """What validation rows gain by thresholds that were chosen without them, in words.

    yes, p: of these rows. groups: int64 [rows], from 0, without gaps.
    """
    classes = len(p) // len(groups)
    fold, claims = np.repeat(folds(groups), classes), np.zeros(len(p), bool)
    for f in np.unique(fold):
        inside = fold == f
        claims[inside] = p[inside] > best_decision(yes[~inside], p[~inside], metric)
    before, after = _value(yes, p > DECISION, metric), _value(yes, claims, metric)
    return f"{before:.4f} → {after:.4f} on {len(groups)} validation rows, out of fold"


def _check_costs(
    name: str, costs: Costs, yes: np.ndarray, p: np.ndarray, groups: np.ndarray, observer: Observer
) -> None:
    """Say what the answers to rows cost, and warn if others would be clearly cheaper."""

    def paid(threshold: float) -> np.ndarray:
        wrong = np.where(yes, costs.false_negative, costs.false_positive)
        return np.where((p > threshold) == yes, 0.0, wrong)

    if not len(yes):
        observer.warn(
            f"tasks.{name}.decision: there are no validation rows, so nothing"
            f" tells whether {costs.decision:.4g} is cheap. Give data.splits.val a share."
        )
        return
    ours, half = paid(costs.decision), paid(DECISION)
    observer.figure(
        f"{name} cost",
        f"{ours.mean():.4g} per row above {costs.decision:.4g}, {half.mean():.4g} above {DECISION},"
        f" on {len(yes)} validation rows",
    )
    more = ours - half
    if more.mean() > STANDARD_ERRORS * standard_error(more, groups):
        observer.warn(
            f"tasks.{name}.decision: answers above {costs.decision:.4g}, which the costs ask for,"
            f" cost {ours.mean():.4g} per validation row; above {DECISION}, {half.mean():.4g}. The"
            " probabilities are not right: state `calibration: auto`."
        )
