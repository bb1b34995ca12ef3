"""JSON objects to tf.train.Examples."""

from typing import Any

import pytest

from serving.server.api.example_json import example_of
from serving.wire.errors import Code, ServingError


def test_features_get_the_type_of_their_values() -> None:
    features = example_of(
        {"n": 3, "x": [1.5, 2.0], "t": "ä", "b": {"b64": "/w=="}, "none": []}
    ).features.feature
    assert list(features["n"].int64_list.value) == [3]
    assert list(features["x"].float_list.value) == [1.5, 2.0]
    assert list(features["t"].bytes_list.value) == ["ä".encode()]
    assert list(features["b"].bytes_list.value) == [b"\xff"]
    assert features["none"].WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2.5], "Unable to assign value .* to feature x: mixed kinds"),
        (["a", 1], "mixed kinds"),
        (None, "JSON value: null of feature x is not of a supported type"),
        (True, "not of a supported type"),
        ([[1]], "not of a supported type"),
        ({"a": 1}, "not of a supported type"),
    ],
)
def test_other_values_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ServingError, match=message) as caught:
        example_of({"x": value})
    assert caught.value.code is Code.INVALID_ARGUMENT
