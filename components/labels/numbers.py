"""What kinds of tasks with numeric labels share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from components.data.casting import numbers
from components.data.lazy import np, pa, pc, pd
from components.errors import RootstockError
from components.labels.base import NUMBER, LabelColumn, Labels, Make, Predict, T, Use, wrong_type
from models.tasks.base import TaskTarget


class NumberLabels(Labels[T]):
    """Numeric labels.

    expected: the values that a column must hold, for messages.
    loss: of gradient boosting, as scikit-learn calls it.
    """

    expected: ClassVar[str] = "numbers"
    loss: ClassVar[str] = "squared_error"

    @abstractmethod
    def linear(self) -> Any:
        """An untrained linear model."""

    def classes(self, task: T, column: pa.ChunkedArray) -> tuple[str, ...]:
        return ()

    def encode(self, task: T, classes: tuple[str, ...], column: pa.ChunkedArray) -> np.ndarray:
        """float32 [rows], NaN for missing."""
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
            problem = wrong_type(task, kind, self.expected)
            raise RootstockError(f"tasks.{task.name}: {problem}")
        values = numbers(column)
        for wrong, problem in self.refused(values):
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                raise RootstockError(
                    f"tasks.{task.name}: label {values[row]:g} of column {task.label!r}, row {row},"
                    f" {problem}"
                )
        return values.astype(np.float32)

    def refused(self, values: np.ndarray) -> Sequence[tuple[np.ndarray, str]]:
        """Bool [rows]: which values are not labels, and why."""
        return [(np.isinf(values), "is not finite.")]

    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        return target

    def class_codes(self, encoded: np.ndarray) -> None:
        return None

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        return [encoded.astype(np.float64)]

    def unfit(self, task: T, column: LabelColumn) -> str:
        if column.shape == "numbers" and column.type != "bool":
            return ""
        return wrong_type(task, column.type, self.expected)

    def problems(self, task: T, splits: Mapping[str, LabelColumn]) -> list[str]:
        """Infinite labels, and training labels that are all the same."""
        sentences = []
        for split, column in splits.items():
            if column.infinite:
                sentences.append(
                    f"{column.infinite} labels in column {task.label!r} of {split} are infinite."
                )
            if split == "train" and column.deviation == 0:
                sentences.append(
                    f"every label in column {task.label!r} of train is {column.mean:g}: there is"
                    " nothing to learn."
                )
        return sentences

    def combinations(self, task: T, column: pa.Array) -> pa.Array:
        known = pa.array(~np.isnan(numbers(column)))
        return pc.if_else(known, NUMBER, pa.scalar(None, pa.string()))

    def members(self, combination: str) -> Sequence[str]:
        return ()

    def constants(self, known: np.ndarray, classes: int) -> np.ndarray:
        """The mean, which is best for squared errors and deviances, and the median, for absolute
        errors.
        """
        exact = known.astype(np.float64)
        return np.array([[exact.mean()], [np.median(exact)]])

    def drawn(self, answers: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """The answers themselves: they are means."""
        return np.asarray(answers[:, 0], np.float32)

    def estimator(self, use: Use, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingRegressor

        models: Mapping[Use, Make] = {
            "linear": self.linear,
            "boosting": lambda: HistGradientBoostingRegressor(loss=self.loss, random_state=seed),
        }
        return models[use]()

    def fit(self, make: Make, features: pd.DataFrame, labels: np.ndarray, classes: int) -> Predict:
        """Numbers [rows, 1] from a model of the rows that have a label."""
        known = ~np.isnan(labels)
        model = make().fit(features[known], labels[known])
        return lambda rows: np.asarray(model.predict(rows)).reshape(len(rows), 1)
