"""Metrics of binary tasks. outputs [rows, 1]: the probability of the positive class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from components.data.lazy import Floats, Mask, np
from components.evaluation.metrics.arrays import clipped, divided
from components.evaluation.metrics.family import (
    Family,
    Pictures,
    Predictions,
    Ratio,
    Scores,
    confusion,
)
from components.evaluation.metrics.ranking import Ranking
from components.evaluation.metrics.reliability import calibration_error, reliability

RECALL = 0.9
OF_POSITIVES = ("auprc", "recall", "best_f1", "best_f1_threshold", "precision_at_recall_90")


@final
class Binary(Family):
    names = (
        "auc",
        "auprc",
        "log_loss",
        "brier",
        "accuracy",
        "f1",
        "precision",
        "recall",
        "specificity",
        "best_f1",
        "best_f1_threshold",
        "precision_at_recall_90",
        "calibration_error",
    )
    reasons = {  # noqa: RUF012 - a constant
        **dict.fromkeys(OF_POSITIVES, "no labelled row is positive"),
        "auc": "the labelled rows are all of one class",
        "f1": "no labelled row is positive, and none is predicted positive",
        "precision": "no row is predicted positive",
        "specificity": "no labelled row is negative",
    }
    by_chance = ("auc", 0.5)
    lower_is_better = frozenset({"log_loss", "brier", "calibration_error"})
    without_interval = frozenset({"best_f1", "best_f1_threshold", "calibration_error"})
    relative_margin = frozenset({"log_loss"})
    has_decision = True
    decided_by = {"f1": "f1"}  # noqa: RUF012 - a constant
    row_error = "log_loss"
    rare_rows_decide = True

    def values(self, rows: Predictions, weights: Floats) -> dict[str, Floats]:
        yes, p, predicted = _decided(rows)
        total = weights.sum(axis=1)
        hits, claims, positives = weights @ (yes & predicted), weights @ predicted, weights @ yes
        curve = Ranking.of(yes, p, weights)
        best, threshold = curve.best_f1()
        return {
            "auc": curve.auc(),
            "auprc": curve.average_precision(),
            "log_loss": divided(weights @ _losses(yes, p), total),
            "brier": divided(weights @ (p - yes) ** 2, total),
            "accuracy": divided(weights @ (yes == predicted), total),
            "f1": divided(2 * hits, claims + positives),
            "precision": divided(hits, claims),
            "recall": divided(hits, positives),
            "specificity": divided(weights @ ~(yes | predicted), weights @ ~yes),
            "best_f1": best,
            "best_f1_threshold": threshold,
            "precision_at_recall_90": curve.precision_at_recall(RECALL),
            "calibration_error": calibration_error(p, yes, weights),
        }

    def ratios(self, rows: Predictions) -> dict[str, Ratio]:
        yes, p, predicted = _decided(rows)
        return {
            "log_loss": Ratio.mean(_losses(yes, p)),
            "brier": Ratio.mean((p - yes) ** 2),
            "accuracy": Ratio.of(yes == predicted),
            "f1": Ratio.of(yes & predicted, among=yes | predicted, form="f1"),
            "precision": Ratio.of(yes, among=predicted),
            "recall": Ratio.of(predicted, among=yes),
            "specificity": Ratio.of(~predicted, among=~yes),
        }

    def rankings(self, rows: Predictions) -> dict[str, Scores]:
        yes, p, _ = _decided(rows)
        return {"auc": Scores(yes, p)}

    def decisive(self, rows: Predictions, classes: Sequence[str]) -> dict[str, Mask]:
        yes, _, _ = _decided(rows)
        return {"positive": yes, "negative": ~yes}

    def pictures(self, rows: Predictions) -> Pictures:
        yes, p, predicted = _decided(rows)
        curve = Ranking.of(yes, p, np.ones((1, len(yes))))
        return Pictures(
            confusion=confusion(yes, predicted, 2),
            reliability=reliability(p, yes),
            roc=curve.roc(),
            precision_recall=curve.precision_recall(),
        )


def _losses(yes: Mask, p: Floats) -> Floats:
    return np.asarray(-np.log(np.where(yes, clipped(p), clipped(1 - p))))


def _decided(rows: Predictions) -> tuple[Mask, Floats, Mask]:
    """Which rows are positive, their probabilities, and which are predicted positive: [rows]."""
    p = rows.outputs[:, 0]
    return rows.labels > 0.5, p, p > rows.decision
