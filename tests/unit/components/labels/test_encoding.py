from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from components.errors import RootstockError
from components.labels.encoding import encode, resolve
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

nan = np.nan


def column(values: list[object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    """A column in two chunks, like that of a table with several shards."""
    array = pa.array(values, kind)
    return pa.chunked_array([array[:1], array[1:]])


def test_binary() -> None:
    task = BinaryTask(name="t", label="y", positive=("cat", "dog"))
    given = column(["cat", "car", None, "dog", "cat"])
    target = resolve(task, given)
    assert (target.classes, target.class_counts) == (("negative", "positive"), (1, 3))
    assert target.labelled == 4
    encoded = encode(target, given, 5)
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, [1, 0, nan, 1, 1])


@pytest.mark.parametrize(
    "values", [[1, 0, None], [1.0, 0.0, nan], [True, False, None], ["1", "0", None]]
)
def test_a_positive_label_is_the_same_in_every_type(values: list[object]) -> None:
    task = BinaryTask(name="t", label="y")
    np.testing.assert_array_equal(
        encode(resolve(task, column(values)), column(values), 3), [1, 0, nan]
    )


def test_multiclass_finds_its_classes_sorted() -> None:
    task = MulticlassTask(name="t", label="y")
    words = resolve(task, column(["b", None, "a", "b"]))
    assert (words.classes, words.class_counts, words.labelled) == (("a", "b"), (1, 2), 3)
    numbers = resolve(task, column([10, 9, -1, 9]))
    assert numbers.classes == ("-1", "9", "10")
    encoded = encode(numbers, column([9.0, nan, 10.0]), 3)
    assert encoded.dtype == np.int32
    np.testing.assert_array_equal(encoded, [1, -1, 2])


@pytest.mark.parametrize("name", ["²", "--1"])
def test_names_that_only_look_like_integers_are_sorted_as_text(name: str) -> None:
    target = resolve(MulticlassTask(name="t", label="y"), pa.chunked_array([["9", "10", name]]))
    assert target.classes == tuple(sorted(["9", "10", name]))


def test_multiclass_through_a_map() -> None:
    task = MulticlassTask(name="loops", label="y", map={"0": "one", "8": "two", "1": "none"})
    target = resolve(task, column([0, 8, 1, 1]))
    assert (target.classes, target.class_counts) == (("none", "one", "two"), (2, 1, 1))
    np.testing.assert_array_equal(encode(target, column([8, None]), 2), [2, -1])
    with pytest.raises(RootstockError, match=r"tasks\.loops: label '3' of column 'y', row 2"):
        encode(target, column([8, 8, 3]), 3)


def test_declared_classes_keep_their_order_and_refuse_others() -> None:
    task = MulticlassTask(name="t", label="y", classes=("cat", "dog", "bird"))
    target = resolve(task, column(["dog", "cat", "cat"]))
    assert target.class_counts == (2, 1, 0)
    with pytest.raises(RootstockError, match=r"'cta'.*row 1,.*`classes`.*Did you mean 'cat'"):
        resolve(task, column(["dog", "cta"]))


def test_multilabel_of_lists_and_of_text() -> None:
    task = MultilabelTask(name="t", label="y")
    lists = column([["b", "a"], [], None, ["b"]], pa.list_(pa.string()))
    target = resolve(task, lists)
    assert (target.classes, target.class_counts, target.labelled) == (("a", "b"), (1, 2), 3)
    expected = [[1, 1], [0, 0], [nan, nan], [0, 1]]
    np.testing.assert_array_equal(encode(target, lists, 4), expected)
    text = column(["b, a", "", None, "b"])
    assert resolve(task, text) == target
    np.testing.assert_array_equal(encode(target, text, 4), expected)
    with pytest.raises(RootstockError, match=r"label 'c' of column 'y', row 1"):
        encode(target, column(["a", "b,c"]), 2)


def test_regression() -> None:
    task = RegressionTask(name="t", label="y")
    target = resolve(task, column([1, None, 3]))
    assert (target.labelled, target.mean, target.deviation) == (2, 2.0, 1.0)
    encoded = encode(target, column([1.5, nan, None]), 3)
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, [1.5, nan, nan])
    assert resolve(task, column([5, 5])).deviation == 1.0
    with pytest.raises(RootstockError, match=r"holds string values\. Expected numbers"):
        resolve(task, column(["1", "2"]))
    with pytest.raises(RootstockError, match="label inf of column 'y', row 1, is not finite"):
        resolve(task, column([1.0, float("inf")]))


@pytest.mark.parametrize("absent", [None, pa.chunked_array([pa.nulls(3)])])
def test_absent_labels_are_all_missing(absent: pa.ChunkedArray | None) -> None:
    binary = resolve(BinaryTask(name="t", label="y"), column(["1", "0"]))
    assert np.isnan(encode(binary, absent, 3)).all()
    classes = resolve(MulticlassTask(name="t", label="y"), column(["a", "b"]))
    np.testing.assert_array_equal(encode(classes, absent, 3), [-1, -1, -1])
    several = resolve(MultilabelTask(name="t", label="y"), column(["a", "b"]))
    assert np.isnan(encode(several, absent, 3)).all()
    assert encode(several, absent, 3).shape == (3, 2)
    number = resolve(RegressionTask(name="t", label="y"), column([1.0, 2.0]))
    assert np.isnan(encode(number, absent, 3)).all()


def test_lists_are_not_single_labels() -> None:
    with pytest.raises(RootstockError, match="Expected one value per row for a binary task"):
        resolve(BinaryTask(name="t", label="y"), column([["a"], ["b"]]))
