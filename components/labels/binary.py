"""Labels of binary tasks: negative or positive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from components.data.arrow import np, pa, pc
from components.data.casting import texts
from components.errors import did_you_mean, listed
from components.labels.base import LabelColumn, Labels, LabelSample, Use
from components.labels.classes import classifier, fit_classifier, single_texts, unfit
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask

if TYPE_CHECKING:
    import pandas as pd

    from components.labels.base import Predict

CLASSES = ("negative", "positive")
YES = ("yes", "y", "true", "t", "1", "spam", "positive", "pos")
"""Values that are likely to mean yes, in lower case."""


@final
class BinaryLabels(Labels[BinaryTask]):
    def classes(self, task: BinaryTask, column: pa.ChunkedArray) -> tuple[str, ...]:
        return CLASSES

    def encode(
        self,
        task: BinaryTask,
        classes: tuple[str, ...],
        column: pa.ChunkedArray | None,
        num_rows: int,
    ) -> np.ndarray:
        if column is None:
            return np.full(num_rows, np.nan, np.float32)
        codes = single_texts(task, column).dictionary_encode()
        values = codes.dictionary.to_pylist()
        table = np.array([v in task.positive for v in values] + [np.nan], np.float32)
        rows = pc.fill_null(codes.indices, len(values)).to_numpy(zero_copy_only=False)
        return np.asarray(table[rows])

    def counted(self, target: TaskTarget, known: np.ndarray) -> TaskTarget:
        counts = np.bincount(known.astype(np.int64), minlength=2)
        return replace(target, class_counts=tuple(counts.tolist()))

    def class_codes(self, encoded: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(encoded), -1, encoded).astype(np.int64)

    def probes(self, encoded: np.ndarray) -> Sequence[np.ndarray]:
        return [self.class_codes(encoded)]

    def unfit(self, task: BinaryTask, column: LabelColumn) -> str:
        return unfit(task, column, ("text", "numbers"))

    def problems(self, task: BinaryTask, splits: Mapping[str, LabelColumn]) -> Sequence[str]:
        counts = splits["train"].counts
        total = sum(n for _, n in counts)
        positives = sum(n for v, n in counts if v in task.positive)
        if 0 < positives < total:
            return []
        values = [v for v, _ in counts]
        hints = [did_you_mean(p, values) for p in task.positive if not positives]
        hint = next(filter(None, hints), "")
        which = "positive" if positives else "negative"
        expected = ", ".join(repr(p) for p in task.positive)
        return [
            f"all {total} labels of train in column {task.label!r} are {which}: positive is"
            f" {expected}, and the column holds {listed(counts)}.{hint}"
        ]

    def combinations(self, task: BinaryTask, column: pa.Array) -> pa.Array:
        codes = texts(column).dictionary_encode()
        names = [CLASSES[v in task.positive] for v in codes.dictionary.to_pylist()]
        return pa.array(names, pa.string()).take(codes.indices)

    def members(self, combination: str) -> Sequence[str]:
        return (combination,)

    def estimator(self, use: Use, seed: int) -> Any:
        return classifier(use, seed)

    def fit(
        self, make: Callable[[], Any], features: pd.DataFrame, labels: np.ndarray, classes: int
    ) -> Predict:
        """The probability of yes, [rows, 1]."""
        predict = fit_classifier(make, features, self.class_codes(labels), 2)
        return lambda rows: predict(rows)[:, 1:]

    def guess(self, sample: LabelSample) -> Mapping[str, Any] | None:
        """Two distinct values. Positive is the one that usually means yes, else the larger number
        or the rarer text.
        """
        counts = sample.counts
        if sample.shape not in ("text", "numbers") or sample.fractions or len(counts) != 2:
            return None
        rarer = min(counts, key=lambda v: (counts[v], v))
        fallback = max(counts) if sample.shape == "numbers" else rarer
        return {"positive": next((v for v in counts if v.lower() in YES), fallback)}
