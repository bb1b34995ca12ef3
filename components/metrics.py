"""Metrics of one task's predictions, on the rows that carry its label.

A metric that is undefined on these rows (a ranking with one class only, a precision without
positive answers) is None, and `undefined` says why. Values are those of scikit-learn, in NumPy
alone: importing scikit-learn takes longer than evaluating.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from components.arrow import np
from components.ranking import Ranking
from models.task import TaskTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RELIABILITY_BINS = 15

METRICS: Mapping[str, tuple[str, ...]] = {
    "binary": (
        "auc",
        "auprc",
        "log_loss",
        "accuracy",
        "f1",
        "precision",
        "recall",
        "best_f1",
        "best_f1_threshold",
        "calibration_error",
    ),
    "multiclass": (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "macro_auc",
        "log_loss",
        "calibration_error",
    ),
    "multilabel": ("micro_auc", "macro_auc", "micro_f1", "macro_f1", "exact_match"),
    "regression": ("mae", "rmse", "r2"),
}
"""Metric names by kind of task; the first is the one that stands for the task in a summary."""


@dataclass(frozen=True)
class Bin:
    """Predictions of like confidence. accuracy: their share that is right (binary: positive)."""

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class TaskMetrics:
    """What one task's predictions are worth.

    rows: that carry the label. values: by metric, None where undefined. undefined: why, by metric.
    confusion: rows by true class (first index) and predicted class; empty unless the task has
        classes that exclude each other.
    reliability: equal-width bins of confidence, empty ones left out.
    roc: (false positive rate, true positive rate). precision_recall: (recall, precision).
        Both thinned; binary tasks only.
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


def measure(target: TaskTarget, labels: np.ndarray, outputs: Floats) -> TaskMetrics:
    """Metrics of a task.

    Args:
        target: the task and its classes.
        labels: encoded as `models.task` states, missing ones included.
        outputs: probabilities, or values for regression: [rows, width] or [rows].
    """
    kind = target.task.kind
    outputs = np.asarray(outputs, np.float64).reshape(len(labels), -1)
    if kind == "multiclass":
        carries = labels >= 0
    elif labels.ndim == 2:
        carries = ~np.isnan(labels[:, 0])
    else:
        carries = ~np.isnan(labels)
    labels, outputs = labels[carries], outputs[carries]
    broken = int((~np.isfinite(outputs)).any(axis=1).sum())
    if len(labels) and not broken:
        return _MEASURES[kind](target, labels, outputs)
    reason = f"{broken} answers are not finite numbers" if broken else "no row carries the label"
    return TaskMetrics(
        task=target.name,
        kind=kind,
        rows=len(labels),
        classes=target.classes,
        values=dict.fromkeys(METRICS[kind]),
        undefined=dict.fromkeys(METRICS[kind], reason),
    )


def _binary(target: TaskTarget, labels: np.ndarray, outputs: Floats) -> TaskMetrics:
    yes, p = labels > 0.5, outputs[:, 0]
    said = p > 0.5
    curve = Ranking.of(yes, p)
    hits, claims, positives = int((yes & said).sum()), int(said.sum()), int(yes.sum())
    f1, best = _f1(hits, claims, positives), curve.best_f1()
    bins = _reliability(p, yes)
    one_class = "the labelled rows are all of one class"
    values = {
        "auc": curve.auc(),
        "auprc": curve.average_precision(),
        "log_loss": float(-np.log(np.where(yes, _clipped(p), _clipped(1 - p))).mean()),
        "accuracy": float((yes == said).mean()),
        "f1": f1,
        "precision": hits / claims if claims else None,
        "recall": hits / positives if positives else None,
        "best_f1": None if best is None else best[0],
        "best_f1_threshold": None if best is None else best[1],
        "calibration_error": _calibration_error(bins),
    }
    reasons = {
        "auc": one_class,
        "auprc": "no labelled row is positive",
        "f1": "no labelled row is positive, and none is predicted so",
        "precision": "no row is predicted positive",
        "recall": "no labelled row is positive",
        "best_f1": "no labelled row is positive",
        "best_f1_threshold": "no labelled row is positive",
    }
    return TaskMetrics(
        task=target.name,
        kind="binary",
        rows=len(yes),
        classes=target.classes,
        values=values,
        undefined=_undefined(values, reasons),
        confusion=_confusion(yes.astype(np.int64), said.astype(np.int64), 2),
        reliability=bins,
        roc=curve.roc(),
        precision_recall=curve.precision_recall(),
    )


def _multiclass(target: TaskTarget, labels: np.ndarray, outputs: Floats) -> TaskMetrics:
    true, said, count = labels.astype(np.int64), outputs.argmax(axis=1), outputs.shape[1]
    confusion = np.array(_confusion(true, said, count))
    hits, claims, members = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    seen = members > 0
    f1s = [_f1(*t) for t in zip(hits, claims, members, strict=True)]
    aucs = [Ranking.of(true == c, outputs[:, c]).auc() for c in range(count)]
    bins = _reliability(outputs.max(axis=1), true == said)
    chosen = outputs[np.arange(len(true)), true] / outputs.sum(axis=1)
    values = {
        "accuracy": float((true == said).mean()),
        "balanced_accuracy": float((hits[seen] / members[seen]).mean()),
        "macro_f1": _mean_of_defined(f1s),
        "macro_auc": _mean_of_defined(aucs),
        "log_loss": float(-np.log(_clipped(chosen)).mean()),
        "calibration_error": _calibration_error(bins),
    }
    return TaskMetrics(
        task=target.name,
        kind="multiclass",
        rows=len(true),
        classes=target.classes,
        values=values,
        undefined=_undefined(values, {"macro_auc": "the labelled rows are all of one class"}),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        reliability=bins,
    )


def _multilabel(target: TaskTarget, labels: np.ndarray, outputs: Floats) -> TaskMetrics:
    yes = labels > 0.5
    said = outputs > 0.5
    hits, claims, positives = (yes & said).sum(0), said.sum(0), yes.sum(0)
    aucs = [Ranking.of(yes[:, c], outputs[:, c]).auc() for c in range(yes.shape[1])]
    f1s = [_f1(*t) for t in zip(hits, claims, positives, strict=True)]
    values = {
        "micro_auc": Ranking.of(yes.ravel(), outputs.ravel()).auc(),
        "macro_auc": _mean_of_defined(aucs),
        "micro_f1": _f1(hits.sum(), claims.sum(), positives.sum()),
        "macro_f1": _mean_of_defined(f1s),
        "exact_match": float((yes == said).all(axis=1).mean()),
    }
    one_value = "no class has both rows that carry it and rows that do not"
    nothing = "no labelled row carries a class, and none is predicted"
    reasons = dict.fromkeys(("micro_auc", "macro_auc"), one_value)
    reasons |= dict.fromkeys(("micro_f1", "macro_f1"), nothing)
    return TaskMetrics(
        task=target.name,
        kind="multilabel",
        rows=len(yes),
        classes=target.classes,
        values=values,
        undefined=_undefined(values, reasons),
    )


def _regression(target: TaskTarget, labels: np.ndarray, outputs: Floats) -> TaskMetrics:
    true = labels.astype(np.float64)
    error = outputs[:, 0] - true
    spread = float(((true - true.mean()) ** 2).sum())
    values = {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1 - float((error**2).sum()) / spread if spread else None,
    }
    return TaskMetrics(
        task=target.name,
        kind="regression",
        rows=len(true),
        values=values,
        undefined=_undefined(values, {"r2": "all labels are equal"}),
    )


_MEASURES: Mapping[str, Callable[[TaskTarget, np.ndarray, Floats], TaskMetrics]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "multilabel": _multilabel,
    "regression": _regression,
}


def _f1(hits: int, claims: int, positives: int) -> float | None:
    return float(2 * hits / (claims + positives)) if claims + positives else None


def _mean_of_defined(values: list[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return sum(defined) / len(defined) if defined else None


def _clipped(p: Floats) -> Floats:
    """Probabilities that have a logarithm; the margin is float32's, which heads answer in."""
    margin = np.finfo(np.float32).eps
    return np.clip(p, margin, 1 - margin)


def _confusion(
    true: NDArray[np.int64], said: NDArray[np.int64], count: int
) -> tuple[tuple[int, ...], ...]:
    cells = np.bincount(true * count + said, minlength=count * count).reshape(count, count)
    return tuple(tuple(row) for row in cells.tolist())


def _reliability(confidence: Floats, right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    edges = np.linspace(0, 1, RELIABILITY_BINS + 1)
    order = np.argsort(confidence, kind="stable")
    ends = np.searchsorted(confidence[order], edges[1:-1], side="right")
    bins = []
    for start, end in pairwise([0, *ends.tolist(), len(order)]):
        inside = order[start:end]
        if len(inside):
            accuracy = float(right[inside].mean())
            bins.append(Bin(len(inside), float(confidence[inside].mean()), accuracy))
    return tuple(bins)


def _calibration_error(bins: tuple[Bin, ...]) -> float:
    """Expected calibration error: Naeini, Cooper and Hauskrecht (AAAI 2015)."""
    return sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / sum(b.count for b in bins)


def _undefined(values: Mapping[str, float | None], reasons: Mapping[str, str]) -> dict[str, str]:
    return {name: reasons[name] for name, value in values.items() if value is None}
