"""Which rows make pairs."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import RootstockError
from components.training.pairing import FEWEST_STEPS, MOST_STEPS, Pairing, has_classes
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.count import CountTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

SPAM = TaskTarget(task=BinaryTask(name="spam", label="spam"), classes=("negative", "positive"))
KIND = TaskTarget(task=MulticlassTask(name="kind", label="kind"), classes=tuple("abcdefghij"))
COST = TaskTarget(task=RegressionTask(name="cost", label="cost"))
SPAM_LABELS = np.array([0, 1, 0, 0, np.nan, 0, 0, 0, 1, 0], np.float32)


def pairing(targets: tuple[TaskTarget, ...] = (SPAM,), rows: int = 10) -> Pairing:
    kinds = np.arange(rows, dtype=np.int32) % 10
    labels = {"spam": np.resize(SPAM_LABELS, rows), "kind": kinds, "cost": np.ones(rows)}
    return Pairing.of(targets, labels)


def test_only_tasks_with_one_class_a_row_have_pairs() -> None:
    kinds = (BinaryTask, MulticlassTask, MultilabelTask, RegressionTask, CountTask)
    assert [has_classes(kind(label="x")) for kind in kinds] == [True, True, False, False, False]
    made = pairing((SPAM, COST))
    assert made.tasks == (SPAM,)
    np.testing.assert_array_equal(made.classes, [[0, 1, 0, 0, -1, 0, 0, 0, 1, 0]])
    assert "cost" in made.left_out
    with pytest.raises(RootstockError, match=r"two classes\. Received: cost: .* regression task"):
        pairing((COST,))


def test_a_task_of_one_class_has_no_pairs() -> None:
    ham = {"spam": np.array([0, 0, np.nan], np.float32), "kind": np.array([1, 2, 1], np.int32)}
    assert Pairing.of((SPAM, KIND), ham).left_out == {
        "spam": "its training rows have one class only"
    }
    with pytest.raises(RootstockError, match="spam: its training rows have one class only"):
        Pairing.of((SPAM,), ham)


def test_a_step_has_as_many_rows_of_each_class_as_there_are() -> None:
    made = pairing(rows=1_000)
    for step in range(20):
        classes = made.classes[0][made.rows_of(step, 16, seed=1)]
        assert np.bincount(classes).tolist() == [8, 8]
    few = pairing().rows_of(0, 16, seed=1)
    assert few.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]  # all with a label, none twice


def test_of_many_classes_a_step_takes_some_with_two_rows_each() -> None:
    made = pairing((KIND,), rows=100)
    for step in range(5):
        counts = np.bincount(made.classes[0][made.rows_of(step, 8, seed=0)], minlength=10)
        assert sorted(counts) == [0] * 6 + [2] * 4


def test_tasks_take_turns_and_steps_depend_on_the_seed() -> None:
    made = pairing((SPAM, KIND), rows=1_000)
    balanced = [np.bincount(made.classes[0][made.rows_of(s, 16, seed=0)])[-1] for s in (0, 2)]
    assert balanced == [8, 8]
    assert len(np.unique(made.classes[1][made.rows_of(1, 16, seed=0)])) == 8
    first = made.rows_of(0, 16, seed=0)
    np.testing.assert_array_equal(first, made.rows_of(0, 16, seed=0))
    assert not np.array_equal(first, made.rows_of(2, 16, seed=0))
    assert not np.array_equal(first, made.rows_of(0, 16, seed=1))


def test_the_number_of_steps_follows_the_rows_within_limits() -> None:
    assert pairing().steps() == FEWEST_STEPS
    assert pairing(rows=1_000).steps() == MOST_STEPS
