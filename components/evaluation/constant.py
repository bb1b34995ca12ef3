"""The best constant answer: what a model has to beat to be of any use."""

from __future__ import annotations

from components.data.lazy import np, pd
from components.evaluation.metrics import family_of, measure
from components.labels.base import Predict, labels_of
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget


def constant_answer(target: TaskTarget, labels: np.ndarray, metric: str) -> np.ndarray:
    """[width]: the answer that is best for the metric on these labels, if every row gets it: the
    median for absolute errors, the mean for squared ones, always yes for F1.

    labels: encoded, of the training rows; at least one is known.
    """
    candidates = labels_of(target.task).constants(labels[labelled(labels)], len(target.classes))
    sign = -1 if metric in family_of(target.task.kind).lower_is_better else 1

    def value(answer: np.ndarray) -> float:
        found = measure(target, labels, np.tile(answer, (len(labels), 1))).values[metric]
        return -np.inf if found is None else sign * found

    return max(candidates, key=value)


def best_constant(target: TaskTarget, labels: np.ndarray, metric: str) -> Predict:
    """Answers every row alike, with `constant_answer`."""
    best = constant_answer(target, labels, metric)

    def predict(rows: pd.DataFrame) -> np.ndarray:
        return np.tile(best, (len(rows), 1))

    return predict
