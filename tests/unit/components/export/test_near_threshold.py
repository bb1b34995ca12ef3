"""Decisions that hang on less than the tolerance."""

from __future__ import annotations

import numpy as np

from components.export.near_threshold import near_threshold
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask


def test_decisions_within_the_tolerance() -> None:
    targets = (
        TaskTarget(task=BinaryTask(name="a", label="l"), classes=("n", "y"), decision=0.3),
        TaskTarget(task=MulticlassTask(name="b", label="l"), classes=("x", "y", "z")),
        TaskTarget(task=MultilabelTask(name="c", label="l"), classes=("p", "q")),
        TaskTarget(task=RegressionTask(name="d", label="l")),
    )
    answers = {
        "a": np.array([[0.3], [0.302]]),
        "b": np.array([[0.4, 0.4, 0.2], [0.5, 0.3, 0.2]]),
        "c": np.array([[0.5, 0.1], [0.2, 0.9]]),
        "d": np.array([[3.0], [4.0]]),
        "a.uncalibrated": np.array([[0.1], [0.8]]),
    }
    radii = {"a": -np.log(0.2), "b": -np.log(0.3), "d": 1.0}
    found = near_threshold(targets, radii, answers, 1e-4)
    assert found["a.class"].tolist() == [True, False]
    assert found["a.set"].tolist() == [[False, False], [True, False]], "of the uncalibrated"
    assert found["b.class"].tolist() == [True, False]
    assert found["b.set"].tolist() == [[False, False, False], [False, True, False]]
    assert found["c.labels"].tolist() == [[True, False], [False, False]]
    assert not [name for name in found if name.startswith("d")]
