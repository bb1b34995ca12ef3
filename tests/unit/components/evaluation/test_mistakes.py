"""The worst mistakes: which rows, in which order, and in which words."""

import numpy as np

from components.evaluation.mistakes import MOST, Mistake, mistakes
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

NAN = np.nan


def test_the_most_certain_wrong_answer_comes_first() -> None:
    target = TaskTarget(task=MulticlassTask(name="t", label="t"), classes=("a", "b", "c"))
    outputs = np.array([[0.5, 0.4, 0.1], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.2, 0.7, 0.1]])
    found = mistakes(target, np.array([1, 1, 0, -1]), outputs, 0.5)
    assert [(m.row, m.label, m.answer, m.probability) for m in found] == [
        (1, "b", "a", 0.9),
        (0, "b", "a", 0.5),
    ]
    assert found[0].error > found[1].error > 0


def test_answers_follow_the_decision() -> None:
    target = TaskTarget(
        task=BinaryTask(name="t", label="t"), classes=("negative", "positive"), decision=0.2
    )
    labels, outputs = np.array([0.0, 1.0, NAN]), np.array([[0.3], [0.1], [0.9]])
    found = mistakes(target, labels, outputs, 0.2)
    assert [(m.row, m.answer, m.probability) for m in found] == [
        (1, "negative", 0.9),
        (0, "positive", 0.3),
    ]
    assert mistakes(target, np.array([1.0]), np.array([[0.3]]), 0.2) == []


def test_lists_of_labels_and_numbers() -> None:
    tags = TaskTarget(task=MultilabelTask(name="t", label="t"), classes=("a", "b"))
    (wrong,) = mistakes(tags, np.array([[1.0, 1.0]]), np.array([[0.9, 0.1]]), 0.5)
    assert (wrong.label, wrong.answer, wrong.probability) == ("a, b", "a", None)
    number = TaskTarget(task=RegressionTask(name="t", label="t"))
    labels = np.arange(20.0)
    found = mistakes(number, labels, (labels * 2)[:, None], 0.5)
    assert found[0] == Mistake(19, "19", "38", None, 19.0)
    assert len(found) == MOST
