"""Metrics of `best_answer.py`, by scikit-learn, and the paired bootstrap between two models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from best_answer_data import Kind
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

Measure = Callable[[np.ndarray, np.ndarray], float]
"""From labels and outputs: a probability, [rows, classes] of them, or a number."""
REPLICATES = 100


def _mean_auc(y: np.ndarray, p: np.ndarray) -> float:
    """Over the labels that some rows have and some have not."""
    both = [c for c in range(y.shape[1]) if len(np.unique(y[:, c])) == 2]
    return float(np.mean([roc_auc_score(y[:, c], p[:, c]) for c in both]))


def _cross_entropy(y: np.ndarray, p: np.ndarray) -> float:
    shares = np.clip(p, 1e-7, None)
    return float(log_loss(y, shares / shares.sum(1, keepdims=True), labels=range(p.shape[1])))


METRICS: Mapping[Kind, Mapping[str, Measure]] = {
    "binary": {
        "auc": roc_auc_score,
        "f1": lambda y, p: f1_score(y, p > 0.5, zero_division=0.0),
        "accuracy": lambda y, p: accuracy_score(y, p > 0.5),
        "log_loss": lambda y, p: log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), labels=[0, 1]),
    },
    "multiclass": {
        "accuracy": lambda y, p: accuracy_score(y, p.argmax(1)),
        "log_loss": _cross_entropy,
    },
    "regression": {"r2": r2_score, "mae": mean_absolute_error, "rmse": root_mean_squared_error},
    "multilabel": {"auc": _mean_auc},
}
"""By kind of task; the first is the one that decides, unless the label names another."""


def measured(
    kind: Kind, deciding: str, y: np.ndarray, outputs: np.ndarray
) -> tuple[str, dict[str, float], list[float]]:
    """The deciding metric, all metrics, and the deciding one on resampled rows.

    The same number of rows gives the same resamples, so that models are compared pair by pair.
    """
    metrics = METRICS[kind]
    deciding = deciding or next(iter(metrics))
    values = {name: float(measure(y, outputs)) for name, measure in metrics.items()}
    rng, replicates = np.random.default_rng(0), []
    for _ in range(REPLICATES):
        rows = rng.integers(len(y), size=len(y))
        if kind == "binary" and len(np.unique(y[rows])) < 2:
            replicates.append(math.nan)
            continue
        replicates.append(round(float(metrics[deciding](y[rows], outputs[rows])), 5))
    return deciding, values, replicates


def difference(ours: list[list[float]], peer: list[list[float]]) -> float:
    """Half the width of a 95 % interval of the mean difference over seeds: 1.96 standard deviations
    of the paired bootstrap. Each argument: resampled values by seed, in the same order.
    """
    each = np.nanmean(np.array(ours) - np.array(peer), axis=0)
    return 1.96 * float(np.nanstd(each, ddof=1))
