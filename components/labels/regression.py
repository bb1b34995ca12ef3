"""Labels of regression tasks: finite numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from components.data.lazy import np
from components.data.robust import OUTLIERS, centre_and_scale, inflation, percentiles_of
from components.labels.base import LabelColumn, LabelSample, Loss, Objective
from components.labels.numbers import NumberLabels
from models.tasks.base import TaskTarget
from models.tasks.regression import RegressionTask

TAME = 2.0
"""Times the robust scale; logarithms with a smaller standard deviation have no outliers left."""


@final
class RegressionLabels(NumberLabels[RegressionTask]):
    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        """Mean, and standard deviation of the population; 1 where that is 0. For Huber's loss the
        median, and the scale of the middle half: outliers would stretch its threshold.
        """
        if not len(known):
            return replace(target, mean=0.0, deviation=1.0)
        task = target.task
        assert isinstance(task, RegressionTask)
        values = _as_learnt(task, known.astype(np.float64))
        centre, scale = float(values.mean()), float(values.std())
        if task.loss == "huber":
            centre, robust = centre_and_scale(percentiles_of(values))
            scale = robust or scale
        return replace(target, mean=centre, deviation=scale or 1.0)

    def objectives(self, target: TaskTarget, encoded: np.ndarray) -> Sequence[Objective]:
        task = target.task
        assert isinstance(task, RegressionTask)
        values = (_as_learnt(task, encoded.astype(np.float64)) - target.mean) / target.deviation
        loss: Loss = "squared" if task.has_squared_error else "huber"
        return [Objective(task=target.name, loss=loss, labels=values)]

    def doubts(self, task: RegressionTask, column: LabelColumn) -> Sequence[str]:
        times = inflation(column.percentiles, column.deviation)
        if task.log or task.loss == "huber" or times < OUTLIERS:
            return []
        _, scale = centre_and_scale(column.percentiles)
        return [
            f"column {task.label!r} has outliers or a long tail: it reaches from"
            f" {column.percentiles[0]:.4g} to {column.percentiles[-1]:.4g}, and its standard"
            f" deviation, {column.deviation:.4g}, is {times:.3g} times that of the middle half,"
            f" {scale:.4g}. A few rows decide a squared error. Expected `loss: huber` or"
            " `log: true`, unless that is intended."
        ]

    def linear(self) -> Any:
        from sklearn.linear_model import Ridge

        return Ridge()

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """Fractions, or more distinct whole numbers than classes would have."""
        if sample.shape != "numbers":
            return None
        many = len(sample.counts) > max(2, sample.most_classes)
        if not sample.fractions and not many:
            return None
        values = np.repeat([float(v) for v in sample.counts], list(sample.counts.values()))
        return _robust(values[np.isfinite(values)])


def _as_learnt(task: RegressionTask, values: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values))) if task.log else values


def _robust(values: np.ndarray) -> Mapping[str, Any]:
    """The fields of a task whose values have outliers; `log` too if they have none then."""
    if inflation(percentiles_of(values), float(values.std())) < OUTLIERS:
        return {}
    logs = np.log1p(np.maximum(values, 0))
    tame = values.min() >= 0 and inflation(percentiles_of(logs), float(logs.std())) < TAME
    return {"loss": "huber", "log": True} if tame else {"loss": "huber"}
