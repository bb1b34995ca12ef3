"""Rows with the labels that a teacher's answers stand for."""

from __future__ import annotations

import numpy as np

from components.training.distillation import COPIES, distilled
from components.training.rows import Rows, TrainingData
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

COUNT = 3000
TARGETS = (
    TaskTarget(task=BinaryTask(name="a", label="a"), classes=("no", "yes"), labelled=COUNT),
    TaskTarget(task=MulticlassTask(name="b", label="b"), classes=("x", "y", "z"), labelled=COUNT),
    TaskTarget(task=MultilabelTask(name="c", label="c"), classes=("p", "q"), labelled=COUNT),
    TaskTarget(task=RegressionTask(name="d", label="d"), labelled=0),
)
LABELS = {
    "a": np.zeros(COUNT, np.float32),
    "b": np.zeros(COUNT, np.int32),
    "c": np.zeros((COUNT, 2), np.float32),
    "d": np.full(COUNT, np.nan, np.float32),
}


def answers(row: list[float]) -> np.ndarray:
    """The same answer for all of twice as many rows, of which every second one is trained on."""
    return np.tile(np.array(row, np.float32), (2 * COUNT, 1))


def test_labels_are_drawn_as_often_as_the_teacher_says() -> None:
    rows = np.arange(0, 2 * COUNT, 2)
    train = Rows({"x": np.arange(COUNT, dtype=np.float32)}, LABELS)
    numbers = np.arange(2 * COUNT, dtype=np.float32)[:, None]
    of_teacher = {
        "a": answers([0.3]),
        "b": answers([0.5, 0.1, 0.4]),
        "c": answers([0.9, 0.2]),
        "d": numbers,
    }
    data = distilled(TrainingData(TARGETS, train, None, rows), of_teacher, seed=0)
    assert len(data.train) == COUNT * (1 + COPIES)
    assert [t.labelled for t in data.targets] == [COUNT * 3, COUNT * 3, COUNT * 3, COUNT * 2]
    for name, labels in data.train.labels.items():
        np.testing.assert_array_equal(labels[:COUNT], LABELS[name])
        np.testing.assert_array_equal(data.observed.labels[name], LABELS[name])
        assert labels.dtype == LABELS[name].dtype
    taught = {name: labels[COUNT:] for name, labels in data.train.labels.items()}
    assert abs(taught["a"].mean() - 0.3) < 0.03
    assert np.allclose(np.bincount(taught["b"]) / (2 * COUNT), [0.5, 0.1, 0.4], atol=0.03)
    assert np.allclose(taught["c"].mean(axis=0), [0.9, 0.2], atol=0.03)
    features = data.train.features["x"]
    assert isinstance(features, np.ndarray)
    np.testing.assert_array_equal(taught["d"], 2 * features[COUNT:], "the answer to the same row")
