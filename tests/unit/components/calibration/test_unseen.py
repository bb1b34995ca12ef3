from __future__ import annotations

import numpy as np

from components.calibration.unseen import Unseen
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask


def test_labels_become_targets_of_every_unit() -> None:
    classes = ("a", "b", "c")
    one = Unseen.of(np.array([2, -1, 0], np.int32), np.eye(3))
    target = TaskTarget(task=MulticlassTask(name="t", label="l"), classes=classes)
    answered = one.answered(target)
    assert answered.exclusive
    np.testing.assert_array_equal(answered.targets, [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(answered.outputs, np.eye(3)[[0, 2]])

    many = Unseen.of(np.array([[0, 1], [np.nan, np.nan]], np.float32), np.zeros((2, 2)))
    answered = many.answered(
        TaskTarget(task=MultilabelTask(name="t", label="l"), classes=classes[:2])
    )
    assert not answered.exclusive
    np.testing.assert_array_equal(answered.targets, [[0, 1]])

    yes = Unseen.of(np.array([1, np.nan, 0], np.float32), np.zeros((3, 1)))
    answered = yes.answered(TaskTarget(task=BinaryTask(name="t", label="l"), classes=classes[:2]))
    np.testing.assert_array_equal(answered.targets, [[1], [0]])
