"""Labels of regression tasks: finite numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from components.data.arrow import np, pa
from components.labels import numbers
from components.labels.base import LabelColumn, Labels, LabelSample, Use
from models.tasks.base import TaskTarget
from models.tasks.regression import RegressionTask

if TYPE_CHECKING:
    import pandas as pd

    from components.labels.base import Predict


@final
class RegressionLabels(Labels[RegressionTask]):
    def classes(self, task: RegressionTask, column: pa.ChunkedArray) -> tuple[str, ...]:
        return ()

    def encode(
        self,
        task: RegressionTask,
        classes: tuple[str, ...],
        column: pa.ChunkedArray | None,
        num_rows: int,
    ) -> np.ndarray:
        return numbers.finite_numbers(task, column, num_rows).astype(np.float32)

    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        """Mean, and standard deviation of the population; 1 where that is 0."""
        if not len(known):
            return replace(target, mean=0.0, deviation=1.0)
        exact = known.astype(np.float64)
        return replace(target, mean=float(exact.mean()), deviation=float(exact.std()) or 1.0)

    def class_codes(self, encoded: np.ndarray) -> None:
        return None

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        return [encoded.astype(np.float64)]

    def unfit(self, task: RegressionTask, column: LabelColumn) -> str:
        return numbers.unfit(task, column)

    def problems(self, task: RegressionTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        return numbers.problems(task, splits)

    def combinations(self, task: RegressionTask, column: pa.Array) -> pa.Array:
        return numbers.combinations(column)

    def members(self, combination: str) -> Sequence[str]:
        return ()

    def estimator(self, use: Use, seed: int) -> Any:
        from sklearn.dummy import DummyRegressor
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import Ridge

        models: Mapping[Use, Callable[[], Any]] = {
            "majority": DummyRegressor,
            "linear": Ridge,
            "boosting": lambda: HistGradientBoostingRegressor(random_state=seed),
        }
        return models[use]()

    def fit(
        self, make: Callable[[], Any], features: pd.DataFrame, labels: np.ndarray, classes: int
    ) -> Predict:
        return numbers.fit_regressor(make, features, labels)

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """Fractions, or more distinct whole numbers than classes would have."""
        if sample.shape != "numbers":
            return None
        many = len(sample.counts) > max(2, sample.most_classes)
        return {} if sample.fractions or many else None
