"""Labels of binary tasks: negative or positive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from components.data.lazy import np, pa, pd
from components.errors import did_you_mean, listed
from components.labels.base import Classes, LabelColumn, LabelSample, Make, Objective, Predict
from components.labels.classes import Domain, SingleLabels, by_value, single_texts
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask

CLASSES = ("negative", "positive")
YES = ("yes", "y", "true", "t", "1", "spam", "positive", "pos")
"""Values that are likely to mean yes, in lower case."""


@final
class BinaryLabels(SingleLabels[BinaryTask]):
    def class_of(self, task: BinaryTask, value: str) -> str:
        return CLASSES[value in task.positive]

    def classes(self, task: BinaryTask, column: pa.ChunkedArray) -> Classes:
        return CLASSES

    def encode(self, task: BinaryTask, classes: Classes, column: pa.ChunkedArray) -> np.ndarray:
        labels = single_texts(task, column)
        codes = by_value(labels, lambda v: float(v in task.positive), pa.float32())
        return np.array(codes)

    def objectives(self, target: TaskTarget, encoded: np.ndarray) -> Sequence[Objective]:
        return [Objective(task=target.name, loss="logistic", labels=encoded.astype(np.float64))]

    def problems(self, task: BinaryTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        counts = splits["train"].counts
        total = sum(n for _, n in counts)
        positives = sum(n for v, n in counts if v in task.positive)
        if 0 < positives < total:
            return self._unknown(task, splits)
        values = [v for v, _ in counts]
        hints = [did_you_mean(p, values) for p in task.positive if not positives]
        hint = next(filter(None, hints), "")
        which = "positive" if positives else "negative"
        expected = ", ".join(map(repr, task.positive))
        return [
            f"all {total} labels of train in column {task.label!r} are {which}: positive is"
            f" {expected}, and the column holds {listed(counts)}.{hint}"
        ]

    def _unknown(self, task: BinaryTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        """Values of other splits that would count as negative, though train has one value for that,
        such as a test set that spells both in another way.
        """
        known = [v for v, _ in splits["train"].counts]
        if len(known) != len(task.positive) + 1 or not set(task.positive) < set(known):
            return []
        unknown = {
            name: [c for c in column.counts if c[0] not in known] for name, column in splits.items()
        }
        return Domain(known, None).problems(task, unknown, ())

    def constants(self, known: np.ndarray, classes: int) -> np.ndarray:
        """The share of positive rows; always yes, which is best for F1 and recall; always no."""
        return np.array([[known.mean(dtype=np.float64)], [1.0], [0.0]])

    def drawn(self, answers: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        return np.asarray(uniform[:, 0] < answers[:, 0], np.float32)

    def fit(self, make: Make, features: pd.DataFrame, labels: np.ndarray, classes: int) -> Predict:
        """The probability of yes, [rows, 1]."""
        predict = super().fit(make, features, labels, 2)
        return lambda rows: predict(rows)[:, 1:]

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """Two distinct values. Positive is the one that usually means yes, else the larger number
        or the rarer text.
        """
        counts = sample.counts
        if sample.separator:
            return None
        if sample.shape not in ("text", "numbers") or sample.fractions or len(counts) != 2:
            return None
        rarer = min(counts, key=lambda v: (counts[v], v))
        fallback = max(counts) if sample.shape == "numbers" else rarer
        return {"positive": next((v for v in counts if v.lower() in YES), fallback)}
