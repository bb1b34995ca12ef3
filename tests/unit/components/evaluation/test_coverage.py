from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.assessment import Answers
from components.evaluation.coverage import covered
from models.tasks.base import TaskTarget
from models.tasks.multiclass import MulticlassTask
from models.tasks.regression import RegressionTask


def answers(target: TaskTarget, labels: np.ndarray, weights: np.ndarray | None = None) -> Answers:
    return Answers(target, labels, np.zeros((len(labels), 1)), None, weights, 0.5)


def test_intervals() -> None:
    labels = np.array([1, 2, np.nan, 9], np.float32)
    region = {"lower": np.array([[0], [2], [0], [0.0]]), "upper": np.array([[3], [4], [9], [8.0]])}
    target = TaskTarget(task=RegressionTask(name="t", label="l"))
    found = covered(0.9, answers(target, labels), region, 0.95)
    assert found is not None
    assert (found.asked, found.rows) == (0.9, 3)
    assert found.share == pytest.approx(2 / 3)
    assert found.mean_size == pytest.approx((3 + 2 + 8) / 3)
    assert found.interval is not None
    assert found.interval.low < 2 / 3 < found.interval.high
    weighted = covered(0.9, answers(target, labels, np.array([1.0, 1, 1, 2])), region, 0.95)
    assert weighted is not None
    assert weighted.share == pytest.approx(0.5)
    assert (
        covered(0.9, answers(target, labels[2:3]), {n: v[:1] for n, v in region.items()}, 0.95)
        is None
    )


def test_sets() -> None:
    labels = np.array([0, 2, -1, 1], np.int32)
    sets = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0]], bool)
    target = TaskTarget(task=MulticlassTask(name="t", label="l"), classes=("a", "b", "c"))
    found = covered(0.9, answers(target, labels), {"set": sets}, 0.95)
    assert found is not None
    assert found.share == pytest.approx(2 / 3)
    assert found.mean_size == pytest.approx(4 / 3)
