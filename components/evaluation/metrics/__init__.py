"""Metrics of one task's predictions, on the rows that carry its label.

A metric that is undefined on these rows (a ranking with one class only, a precision without
positive answers) is None, and `undefined` says why. Values are those of scikit-learn, in NumPy
alone: importing scikit-learn takes longer than evaluating.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.data.arrow import np
from components.evaluation.metrics.binary import Binary
from components.evaluation.metrics.family import DECISION, Family, Share
from components.evaluation.metrics.multiclass import Multiclass
from components.evaluation.metrics.multilabel import Multilabel
from components.evaluation.metrics.ranking import Ranking
from components.evaluation.metrics.regression import Regression
from components.evaluation.metrics.reliability import Bin, reliability
from models.tasks.base import TaskTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["DECISION", "FAMILIES", "METRICS", "Bin", "Family", "Share", "TaskMetrics", "measure"]

FAMILIES: Mapping[str, Family] = {
    "binary": Binary(),
    "multiclass": Multiclass(),
    "multilabel": Multilabel(),
    "regression": Regression(),
}

METRICS: Mapping[str, tuple[str, ...]] = {kind: f.names for kind, f in FAMILIES.items()}
"""Metric names by kind of task; the first is the one that stands for the task in a summary."""


@dataclass(frozen=True, kw_only=True)
class TaskMetrics:
    """What one task's predictions are worth.

    rows: that carry the label. values: by metric, None where undefined. undefined: why, by metric.
    confusion: rows by true class (first index) and predicted class; empty unless the task has
        classes that exclude each other.
    reliability: equal-width bins of confidence, empty ones left out.
    roc: (false positive rate, true positive rate). precision_recall: (recall, precision).
        Both thinned; binary tasks only. These four count rows, whatever their weights.
    """

    task: str
    kind: str
    rows: int
    classes: tuple[str, ...] = ()
    values: Mapping[str, float | None]
    undefined: Mapping[str, str] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()
    reliability: tuple[Bin, ...] = ()
    roc: tuple[tuple[float, float], ...] = ()
    precision_recall: tuple[tuple[float, float], ...] = ()


def measure(
    target: TaskTarget,
    labels: np.ndarray,
    outputs: Floats,
    weights: Floats | None = None,
    decision: float = DECISION,
) -> TaskMetrics:
    """Metrics of a task.

    Args:
        target: the task and its classes.
        labels: encoded as `models.tasks.base` states, missing ones included.
        outputs: probabilities, or values for regression: [rows, width] or [rows].
        weights: [rows] of the rows, not negative; all 1 when None.
        decision: probabilities above it count as yes (binary and multilabel).
    """
    kind, family = target.task.kind, FAMILIES[target.task.kind]
    outputs = np.asarray(outputs, np.float64)
    outputs = outputs[:, None] if outputs.ndim == 1 else outputs
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    carries = family.labelled(labels)
    labels, outputs, weights = labels[carries], outputs[carries], weights[carries]
    broken = int((~np.isfinite(outputs)).any(axis=1).sum())
    if not len(labels) or broken or not weights.sum():
        reason = "no row carries the label"
        if broken:
            reason = f"{broken} answers are not finite numbers"
        elif len(labels):
            reason = "all rows have weight 0"
        return TaskMetrics(
            task=target.name,
            kind=kind,
            rows=len(labels),
            classes=target.classes,
            values=dict.fromkeys(family.names),
            undefined=dict.fromkeys(family.names, reason),
        )
    found = family.values(labels, outputs, weights[None, :], decision)
    values = {n: None if np.isnan(found[n][0]) else float(found[n][0]) for n in family.names}
    return TaskMetrics(
        task=target.name,
        kind=kind,
        rows=len(labels),
        classes=target.classes,
        values=values,
        undefined={n: family.reasons[n] for n, v in values.items() if v is None},
        **_pictures(kind, labels, outputs, decision),
    )


def _pictures(kind: str, labels: np.ndarray, outputs: Floats, decision: float) -> dict[str, Any]:
    if kind == "binary":
        yes, p = labels > 0.5, outputs[:, 0]
        curve = Ranking.of(yes, p, np.ones((1, len(yes))))
        return {
            "confusion": _confusion(yes, p > decision, 2),
            "reliability": reliability(p, yes),
            "roc": curve.roc(),
            "precision_recall": curve.precision_recall(),
        }
    if kind == "multiclass":
        said = outputs.argmax(axis=1)
        return {
            "confusion": _confusion(labels, said, outputs.shape[1]),
            "reliability": reliability(outputs.max(axis=1), labels == said),
        }
    return {}


def _confusion(true: np.ndarray, said: np.ndarray, count: int) -> tuple[tuple[int, ...], ...]:
    place = true.astype(np.int64) * count + said.astype(np.int64)
    cells = np.bincount(place, minlength=count * count).reshape(count, count)
    return tuple(tuple(row) for row in cells.tolist())
