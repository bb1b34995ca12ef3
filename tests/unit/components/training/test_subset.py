from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from components.errors import RootstockError
from components.labels.encoding import counted
from components.training.rows import Rows, TrainingData
from components.training.subset import Subset, chosen_rows
from models.tasks.base import Task, TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

nan = np.nan
SPAM = TaskTarget(task=BinaryTask(name="spam", label="y"), classes=("negative", "positive"))
ANIMAL = TaskTarget(task=MulticlassTask(name="animal", label="y"), classes=("cat", "dog", "eel"))


def spam(negatives: int, positives: int, missing: int = 0) -> dict[str, np.ndarray]:
    labels = np.array([0.0] * negatives + [1.0] * positives + [nan] * missing, np.float32)
    return {"spam": np.random.default_rng(7).permutation(labels)}


def test_rows_keep_the_proportions_of_the_first_task() -> None:
    labels = spam(870, 130)
    for rows, positives in ((16, 2), (64, 8), (256, 33), (1000, 130)):
        found = chosen_rows(Subset(rows=rows), labels, (SPAM,))
        assert len(found) == rows
        assert abs(labels["spam"][found].sum() - positives) <= 1


def test_rows_without_the_label_keep_their_share_too() -> None:
    labels = spam(400, 100, missing=500)
    taken = labels["spam"][chosen_rows(Subset(rows=100), labels, (SPAM,))]
    assert (int((taken == 0).sum()), int((taken == 1).sum())) == (40, 10)


def test_per_class_takes_as_many_of_each() -> None:
    labels = spam(870, 130, missing=20)
    taken = labels["spam"][chosen_rows(Subset(per_class=8), labels, (SPAM,))]
    assert sorted(taken) == [0.0] * 8 + [1.0] * 8
    animals = {"animal": np.array([0, 1, 2, -1] * 10, np.int32)}
    taken = animals["animal"][chosen_rows(Subset(per_class=3), animals, (ANIMAL,))]
    assert sorted(taken) == [0] * 3 + [1] * 3 + [2] * 3


@pytest.mark.parametrize(
    "task", [RegressionTask(name="t", label="y"), MultilabelTask(name="t", label="y")]
)
def test_a_task_without_classes_is_sampled_plainly(task: Task) -> None:
    labels = {"t": np.arange(20, dtype=np.float32)}
    targets = (TaskTarget(task=task),)
    assert len(chosen_rows(Subset(rows=5), labels, targets)) == 5
    with pytest.raises(
        RootstockError, match=r"per_class: the first task, 't', is a .* Give `rows`"
    ):
        chosen_rows(Subset(per_class=5), labels, targets)


@st.composite
def splits(draw: st.DrawFn) -> np.ndarray:
    return np.array(draw(st.lists(st.sampled_from([0.0, 1.0, nan]), min_size=2, max_size=60)))


@given(splits(), st.integers(0, 5), st.data())
def test_a_smaller_subset_lies_within_a_larger_one(
    labels: np.ndarray, seed: int, data: st.DataObject
) -> None:
    larger = data.draw(st.integers(1, len(labels)))
    smaller = data.draw(st.integers(1, larger))
    few = chosen_rows(Subset(rows=smaller, seed=seed), {"spam": labels}, (SPAM,))
    many = chosen_rows(Subset(rows=larger, seed=seed), {"spam": labels}, (SPAM,))
    assert len(few) == smaller
    assert set(few) <= set(many)
    assert (np.diff(many) > 0).all()
    scarce = int(min((labels == 0).sum(), (labels == 1).sum()))
    if scarce:
        larger = data.draw(st.integers(1, scarce))
        smaller = data.draw(st.integers(1, larger))
        few = chosen_rows(Subset(per_class=smaller, seed=seed), {"spam": labels}, (SPAM,))
        many = chosen_rows(Subset(per_class=larger, seed=seed), {"spam": labels}, (SPAM,))
        assert len(few) == 2 * smaller
        assert set(few) <= set(many)


def test_the_seed_alone_decides() -> None:
    labels = spam(87, 13)
    first = [chosen_rows(Subset(rows=20, seed=s), labels, (SPAM,)).tolist() for s in (0, 0, 1)]
    assert first[0] == first[1] != first[2]


def test_a_subset_larger_than_the_data_is_refused() -> None:
    labels = spam(87, 13)
    with pytest.raises(
        RootstockError, match=r"split has 100 rows\. Expected at most that many\. Received: 101"
    ):
        chosen_rows(Subset(rows=101), labels, (SPAM,))
    with pytest.raises(
        RootstockError, match=r"13 rows of class 'positive' of task 'spam'.*Received: 14"
    ):
        chosen_rows(Subset(per_class=14), labels, (SPAM,))


@pytest.mark.parametrize("given", [{}, {"rows": 3, "per_class": 3}])
def test_rows_and_per_class_exclude_each_other(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="either `rows` or `per_class`"):
        TypeAdapter(Subset).validate_python(given)


def test_targets_of_a_subset_are_counted_again() -> None:
    target = TaskTarget(task=SPAM.task, classes=SPAM.classes, class_counts=(87, 13), labelled=100)
    labels = spam(87, 13)
    few = chosen_rows(Subset(per_class=4), labels, (target,))
    again = counted(target, labels["spam"][few])
    assert (again.classes, again.class_counts, again.labelled) == (target.classes, (4, 4), 8)


def test_splits_know_only_the_rows_of_the_subset() -> None:
    task = BinaryTask(name="spam", label="spam")
    target = TaskTarget(
        task=task, classes=("negative", "positive"), class_counts=(3, 1), labelled=4
    )
    labels = {"spam": np.array([0, 1, 0, 0, np.nan], np.float32)}
    splits = TrainingData((target,), Rows({"x": np.arange(5.0)}, labels), None, np.arange(5))
    few = splits.only(np.array([1, 3]))
    assert (few.targets[0].class_counts, few.targets[0].labelled) == ((1, 1), 2)
    np.testing.assert_array_equal(few.train.features["x"], [1, 3])
    np.testing.assert_array_equal(few.train.labels["spam"], [1, 0])
    with pytest.raises(RootstockError, match=r"none of its 1 rows has a label of task 'spam'"):
        splits.only(np.array([4]))
