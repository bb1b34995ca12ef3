"""Labels of regression tasks: finite numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

from components.data.lazy import np
from components.labels.base import LabelSample
from components.labels.numbers import NumberLabels
from models.tasks.base import TaskTarget
from models.tasks.regression import RegressionTask


@final
class RegressionLabels(NumberLabels[RegressionTask]):
    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        """Mean, and standard deviation of the population; 1 where that is 0."""
        if not len(known):
            return replace(target, mean=0.0, deviation=1.0)
        exact = known.astype(np.float64)
        return replace(target, mean=float(exact.mean()), deviation=float(exact.std()) or 1.0)

    def linear(self) -> Any:
        from sklearn.linear_model import Ridge

        return Ridge()

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """Fractions, or more distinct whole numbers than classes would have."""
        if sample.shape != "numbers":
            return None
        many = len(sample.counts) > max(2, sample.most_classes)
        return {} if sample.fractions or many else None
