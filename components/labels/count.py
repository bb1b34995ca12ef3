"""Labels of count tasks: whole numbers of 0 or more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from components.data.arrow import np, pa
from components.errors import RootstockError, listed
from components.labels import numbers
from components.labels.base import LabelColumn, Labels, LabelSample, Use
from models.tasks.base import TaskTarget
from models.tasks.count import CountTask

if TYPE_CHECKING:
    import pandas as pd

    from components.labels.base import Predict

COUNTS = "whole numbers of 0 or more"


@final
class CountLabels(Labels[CountTask]):
    def classes(self, task: CountTask, column: pa.ChunkedArray) -> tuple[str, ...]:
        return ()

    def encode(
        self,
        task: CountTask,
        classes: tuple[str, ...],
        column: pa.ChunkedArray | None,
        num_rows: int,
    ) -> np.ndarray:
        values = numbers.finite_numbers(task, column, num_rows, COUNTS)
        wrong = (values < 0) | (values != np.floor(values)) & ~np.isnan(values)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise RootstockError(
                f"tasks.{task.name}: label {values[row]:g} of column {task.label!r}, row {row}, is"
                f" no count. Expected {COUNTS}. For other numbers, take `kind: regression`."
            )
        return values.astype(np.float32)

    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        return target

    def class_codes(self, encoded: np.ndarray) -> None:
        return None

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        """The logarithm of 1 + count: the scores fit linear models with equal variance."""
        return [np.log1p(encoded.astype(np.float64))]

    def unfit(self, task: CountTask, column: LabelColumn) -> str:
        return numbers.unfit(task, column, COUNTS)

    def problems(self, task: CountTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        sentences = numbers.problems(task, splits)
        for column in splits.values():
            where = f"column {task.label!r} of {column.split}"
            wrong = [(v, n) for v, n in column.counts if not _is_count(v)]
            if wrong:
                sentences.append(
                    f"{where} holds labels that are no counts: {listed(wrong)}. Expected {COUNTS}."
                )
            elif column.minimum < 0:
                sentences.append(f"{where} goes down to {column.minimum:g}. Expected {COUNTS}.")
        return sentences

    def combinations(self, task: CountTask, column: pa.Array) -> pa.Array:
        return numbers.combinations(column)

    def members(self, combination: str) -> Sequence[str]:
        return ()

    def estimator(self, use: Use, seed: int) -> Any:
        from sklearn.dummy import DummyRegressor
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import PoissonRegressor

        models: Mapping[Use, Callable[[], Any]] = {
            "majority": DummyRegressor,
            "linear": lambda: PoissonRegressor(alpha=1e-3, max_iter=1000),
            "boosting": lambda: HistGradientBoostingRegressor(loss="poisson", random_state=seed),
        }
        return models[use]()

    def fit(
        self, make: Callable[[], Any], features: pd.DataFrame, labels: np.ndarray, classes: int
    ) -> Predict:
        """A constant 0 where every known label is 0: Poisson regression needs a positive one."""
        from sklearn.dummy import DummyRegressor

        nothing = not np.nansum(labels)
        return numbers.fit_regressor(DummyRegressor if nothing else make, features, labels)

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """None: whole numbers may as well be classes or amounts."""
        return None


def _is_count(value: str) -> bool:
    """Whether a finite number, as text, is a count; infinite ones are reported by themselves."""
    number = float(value)
    return np.isinf(number) or (number >= 0 and number.is_integer())
