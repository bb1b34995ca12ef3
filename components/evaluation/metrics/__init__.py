"""Metrics of one task's predictions, on the rows that carry its label.

A metric that is undefined on these rows (an AUC with one class only, a precision without positive
predictions) is None, and `undefined` says why. Values equal scikit-learn's, but need NumPy alone:
importing scikit-learn takes longer than evaluating.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from components.data.arrow import np
from components.evaluation.metrics.family import DECISION, Family, Pictures, Share, family_of
from components.evaluation.metrics.reliability import Bin
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["DECISION", "Bin", "Family", "Pictures", "Share", "TaskMetrics", "family_of", "measure"]


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
    decision: float = DECISION,
) -> TaskMetrics:
    """Metrics of a task.

    Args:
        target: the task and its classes.
        labels: encoded as `models.tasks` states, missing ones included.
        outputs: probabilities or numbers, as the task's head answers: [rows, width] or [rows].
        weights: [rows] of the rows, not negative; all 1 when None.
        decision: probabilities above it count as positive, where the kind has a decision.
    """
    kind, family = target.task.kind, family_of(target.task.kind)
    outputs = np.asarray(outputs, np.float64)
    outputs = outputs[:, None] if outputs.ndim == 1 else outputs
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    known = labelled(labels)
    labels, outputs, weights = labels[known], outputs[known], weights[known]
    not_finite = int((~np.isfinite(outputs)).any(axis=1).sum())
    if not len(labels) or not_finite or not weights.sum():
        reason = "no row carries the label"
        if not_finite:
            reason = f"{not_finite} answers are not finite numbers"
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
    exact = family.values(labels, outputs, weights[None, :], decision)
    values = {n: None if np.isnan(exact[n][0]) else float(exact[n][0]) for n in family.names}
    pictures = family.pictures(labels, outputs, decision)
    return TaskMetrics(
        task=target.name,
        kind=kind,
        rows=len(labels),
        classes=target.classes,
        values=values,
        undefined={n: family.reasons[n] for n, v in values.items() if v is None},
        confusion=pictures.confusion,
        reliability=pictures.reliability,
        roc=pictures.roc,
        precision_recall=pictures.precision_recall,
    )
