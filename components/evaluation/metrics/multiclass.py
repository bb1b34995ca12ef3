"""Metrics of multiclass tasks. outputs [rows, classes]: probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from components.data.lazy import Floats, Mask, np
from components.evaluation.metrics.arrays import clipped, divided, mean_of_defined
from components.evaluation.metrics.family import Family, Pictures, Predictions, Ratio, confusion
from components.evaluation.metrics.ranking import Ranking
from components.evaluation.metrics.reliability import calibration_error, reliability

TOP = (3, 5)


@final
class Multiclass(Family):
    """Macro averages are over the classes for which the metric is defined."""

    names = (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "macro_auc",
        "log_loss",
        *(f"top_{k}_accuracy" for k in TOP),
        "calibration_error",
    )
    reasons = {  # noqa: RUF012 - a constant
        "macro_auc": "the labelled rows are all of one class",
        **{f"top_{k}_accuracy": f"there are no more than {k} classes" for k in TOP},
    }
    by_chance = ("macro_auc", 0.5)
    lower_is_better = frozenset({"log_loss", "calibration_error"})
    without_interval = frozenset({"calibration_error"})
    relative_margin = frozenset({"log_loss"})
    has_decision = False
    row_error = "log_loss"

    def values(self, rows: Predictions, weights: Floats) -> dict[str, Floats]:
        true, outputs = rows.labels.astype(np.int64), rows.outputs
        predicted = outputs.argmax(axis=1)
        correct, classes = true == predicted, np.arange(outputs.shape[1])
        total = weights.sum(axis=1)
        of_class = (true[:, None] == classes).astype(np.float64)
        members = weights @ of_class
        hits = weights @ (of_class * correct[:, None])
        claims = weights @ (predicted[:, None] == classes).astype(np.float64)
        aucs = [Ranking.of(true == c, outputs[:, c], weights).auc() for c in classes]
        return {
            "accuracy": divided(weights @ correct, total),
            "balanced_accuracy": mean_of_defined(divided(hits, members)),
            "macro_f1": mean_of_defined(divided(2 * hits, claims + members)),
            "macro_auc": mean_of_defined(np.stack(aucs, axis=1)),
            "log_loss": divided(weights @ _losses(true, outputs), total),
            **{
                f"top_{k}_accuracy": divided(weights @ _within(k, true, outputs), total)
                if k < len(classes)
                else np.full(len(weights), np.nan)
                for k in TOP
            },
            "calibration_error": calibration_error(outputs.max(axis=1), correct, weights),
        }

    def ratios(self, rows: Predictions) -> dict[str, Ratio]:
        true, outputs = rows.labels.astype(np.int64), rows.outputs
        top = [k for k in TOP if k < outputs.shape[1]]
        return {
            "accuracy": Ratio.of(true == outputs.argmax(axis=1)),
            "log_loss": Ratio.mean(_losses(true, outputs)),
            **{f"top_{k}_accuracy": Ratio.of(_within(k, true, outputs)) for k in top},
        }

    def decisive(self, rows: Predictions, classes: Sequence[str]) -> dict[str, Mask]:
        true = rows.labels.astype(np.int64)
        return {repr(classes[c]): true == c for c in np.unique(true).tolist()}

    def pictures(self, rows: Predictions) -> Pictures:
        labels, outputs = rows.labels, rows.outputs
        predicted = outputs.argmax(axis=1)
        return Pictures(
            confusion=confusion(labels, predicted, outputs.shape[1]),
            reliability=reliability(outputs.max(axis=1), labels == predicted),
        )


def _losses(true: np.ndarray, outputs: Floats) -> Floats:
    of_true_class = outputs[np.arange(len(true)), true] / outputs.sum(axis=1)
    return np.asarray(-np.log(clipped(of_true_class)))


def _within(k: int, true: np.ndarray, outputs: Floats) -> Mask:
    """Bool [rows]: whether the true class is among the k most likely ones. Of equally likely
    classes the later one comes first, as in scikit-learn.
    """
    own = outputs[np.arange(len(true)), true][:, None]
    later = np.arange(outputs.shape[1]) > true[:, None]
    ahead = ((outputs > own) | ((outputs == own) & later)).sum(axis=1)
    return np.asarray(ahead < k)
