"""Classify and Regress on a real SavedModel, with TF Serving's messages."""

from typing import Any

import numpy as np
import pytest

from serving.server.api.classify_regress import (
    classify,
    examples_of,
    examples_of_json,
    fill_classification,
    fill_regression,
    regress,
    rows_of,
)
from serving.server.saved_model import SavedModel
from serving.wire.errors import Code, ServingError

JSON = {"context": {"text": "abc"}, "examples": [{"age": 0.0}, {"text": "a"}]}


def test_classes_and_numbers(saved_model: SavedModel) -> None:
    examples = examples_of_json(JSON)
    first, second = classify(saved_model, "classify_sure", lambda: examples)
    assert first == [("no", 0.5), ("yes", 0.5)]
    assert [label for label, _ in second] == ["no", "yes"]
    assert np.isnan([score for _, score in second]).all()  # a missing number is NaN
    assert regress(saved_model, "regress_size", lambda: examples) == [3.0, 1.0]


def test_messages_are_filled(saved_model: SavedModel) -> None:
    from tensorflow_serving.apis import classification_pb2, regression_pb2

    examples = examples_of_json(JSON)
    classes, numbers = classification_pb2.ClassificationResult(), regression_pb2.RegressionResult()
    fill_classification(saved_model, "classify_sure", lambda: examples[:1], classes)
    fill_regression(saved_model, "regress_size", lambda: examples, numbers)
    (row,) = classes.classifications
    assert [(c.label, c.score) for c in row.classes] == [("no", 0.5), ("yes", 0.5)]
    assert [r.value for r in numbers.regressions] == [3.0, 1.0]


def test_labels_or_scores_may_be_missing() -> None:
    labels, scores = np.array([[b"a", b"b"]], object), np.float32([[1, 0]])
    assert rows_of(labels, None) == [[("a", 0.0), ("b", 0.0)]]
    assert rows_of(None, scores) == [[("", 1.0), ("", 0.0)]]


@pytest.mark.parametrize(
    ("method", "signature", "message"),
    [
        (classify, "nowhere", "No signature was found with the name: nowhere"),
        (classify, "", "Expected one input Tensor."),
        (classify, "regress_size", 'to contain at least one of "classes" or "scores"'),
        (regress, "classify_sure", "Expected one output Tensor."),
    ],
)
def test_other_signatures_are_refused(
    saved_model: SavedModel, method: Any, signature: str, message: str
) -> None:
    with pytest.raises(ServingError, match=message) as caught:
        method(saved_model, signature, lambda: [b""])
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{}], "context": 1}, "Example must be JSON object but got JSON Number"),
    ],
)
def test_other_documents_are_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ServingError, match=message):
        examples_of_json(document)


def test_the_context_of_an_input_message_is_merged_into_each_example() -> None:
    from tensorflow.core.example import example_pb2
    from tensorflow_serving.apis import input_pb2

    message = input_pb2.Input()
    with_context = message.example_list_with_context
    with_context.context.features.feature["age"].float_list.value.append(1.0)
    with_context.examples.add()
    with_context.examples.add().features.feature["age"].float_list.value.append(5.0)
    ages = [
        list(example_pb2.Example.FromString(e).features.feature["age"].float_list.value)
        for e in examples_of(message)
    ]
    assert ages == [[1.0], [5.0]]


def test_an_empty_input_message_is_refused() -> None:
    from tensorflow_serving.apis import input_pb2

    message = input_pb2.Input()
    for _ in range(2):
        with pytest.raises(ServingError, match="Input is empty"):
            examples_of(message)
        message.example_list.SetInParent()
