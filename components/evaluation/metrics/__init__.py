"""Metrics of one task's predictions, on the rows that carry its label.

A metric that is undefined on these rows (an AUC with one class only, a precision without positive
predictions) is None, and `undefined` says why. Values equal scikit-learn's, but need NumPy alone:
importing scikit-learn takes longer than evaluating.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from components.data.lazy import Floats, np
from components.evaluation.metrics.family import Family, Predictions, Ratio, Scores, family_of
from components.evaluation.metrics.reliability import Bin
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget

__all__ = ["Family", "Predictions", "Ratio", "Scores", "TaskMetrics", "family_of", "measure"]


@dataclass(frozen=True, kw_only=True)
class TaskMetrics:
    """The metrics of one task.

    rows: that carry the label. values: by metric, None where undefined. undefined: why, by metric.
    confusion, reliability, roc, precision_recall: see `Pictures`.
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
    decision: float | None = None,
) -> TaskMetrics:
    """Metrics of a task.

    Args:
        target: the task and its classes.
        labels: encoded as `models.tasks` states, missing ones included.
        outputs: probabilities or numbers, as the task's head answers: [rows, width] or [rows].
        weights: [rows] of the rows, not negative; all 1 when None.
        decision: probabilities above it count as positive, where the kind has a decision; that of
            the target when None.
    """
    family = family_of(target.task.kind)
    outputs = np.asarray(outputs, np.float64)
    outputs = outputs[:, None] if outputs.ndim == 1 else outputs
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    known = labelled(labels)
    decision = target.decision if decision is None else decision
    rows, weights = Predictions(labels[known], outputs[known], decision), weights[known]
    not_finite = int((~np.isfinite(rows.outputs)).any(axis=1).sum())
    reason = ""
    if not_finite:
        reason = f"{not_finite} answers are not finite numbers"
    elif not len(weights):
        reason = "no row carries the label"
    elif not weights.sum():
        reason = "all rows have weight 0"
    undefined = TaskMetrics(
        task=target.name,
        kind=target.task.kind,
        rows=len(weights),
        classes=target.classes,
        values=dict.fromkeys(family.names),
        undefined=dict.fromkeys(family.names, reason),
    )
    if reason:
        return undefined
    exact = family.values(rows, weights[None, :])
    values = {n: None if np.isnan(exact[n][0]) else float(exact[n][0]) for n in family.names}
    reasons = {n: family.reasons[n] for n, v in values.items() if v is None}
    pictures = vars(family.pictures(rows))
    return replace(undefined, values=values, undefined=reasons, **pictures)
