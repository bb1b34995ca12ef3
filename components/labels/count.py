"""Labels of count tasks: whole numbers of 0 or more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from components.data.lazy import np, pd
from components.errors import listed
from components.labels.base import LabelColumn, LabelSample, Make, Objective, Predict
from components.labels.numbers import NumberLabels
from models.tasks.base import TaskTarget
from models.tasks.count import CountTask

COUNTS = "whole numbers of 0 or more"


@final
class CountLabels(NumberLabels[CountTask]):
    expected = COUNTS
    loss = "poisson"

    def refused(self, values: np.ndarray) -> Sequence[tuple[np.ndarray, str]]:
        wrong = (values < 0) | (values != np.floor(values)) & ~np.isnan(values)
        hint = f"is no count. Expected {COUNTS}. For other numbers, take `kind: regression`."
        return [*super().refused(values), (wrong, hint)]

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        """The logarithm of 1 + count: the scores fit linear models with equal variance."""
        return [np.log1p(encoded.astype(np.float64))]

    def objectives(self, target: TaskTarget, encoded: np.ndarray) -> Sequence[Objective]:
        return [Objective(task=target.name, loss="poisson", labels=encoded.astype(np.float64))]

    def problems(self, task: CountTask, splits: Mapping[str, LabelColumn]) -> list[str]:
        sentences = super().problems(task, splits)
        for split, column in splits.items():
            where = f"column {task.label!r} of {split}"
            wrong = [(v, n) for v, n in column.counts if not _is_count(v)]
            if wrong:
                sentences.append(
                    f"{where} holds labels that are no counts: {listed(wrong)}. Expected {COUNTS}."
                )
            elif column.minimum < 0:
                sentences.append(f"{where} goes down to {column.minimum:g}. Expected {COUNTS}.")
        return sentences

    def linear(self) -> Any:
        from sklearn.linear_model import PoissonRegressor

        return PoissonRegressor(alpha=1e-3, max_iter=1000)

    def fit(self, make: Make, features: pd.DataFrame, labels: np.ndarray, classes: int) -> Predict:
        """A constant 0 where every known label is 0: Poisson regression needs a positive one."""
        from sklearn.dummy import DummyRegressor

        nothing = not np.nansum(labels)
        return super().fit(DummyRegressor if nothing else make, features, labels, classes)

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """None: whole numbers may as well be classes or amounts."""
        return None


def _is_count(value: str) -> bool:
    """Whether a finite number, as text, is a count; infinite ones are reported by themselves."""
    number = float(value)
    return np.isinf(number) or (number >= 0 and number.is_integer())
