"""JSON objects to tf.train.Examples."""

from typing import Any

import pytest

from serving.server.api.example_json import example_of
from serving.wire.errors import Code, ServingError


def test_features_get_the_type_of_their_values() -> None:
    features = example_of(
        {
            "n": 3,
            "mixed": [1, True, False],
            "x": [1.5, 2.0],
            "t": "ä",
            "b": {"b64": "/w=="},
            "none": [],
        }
    ).features.feature
    assert list(features["n"].int64_list.value) == [3]
    assert list(features["mixed"].int64_list.value) == [1, 1, 0]
    assert list(features["x"].float_list.value) == [1.5, 2.0]
    assert list(features["t"].bytes_list.value) == ["ä".encode()]
    assert list(features["b"].bytes_list.value) == [b"\xff"]
    assert features["none"].WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2.5], "Unexpected element type in feature: x expecting type: int64"),
        (["a", 1], "feature: x expecting type: bytes"),
        (None, "Feature: x has element with unexpected JSON type: Null"),
        ([[1]], "unexpected JSON type: Array"),
        ({"a": 1}, "unexpected JSON type: Object"),
        (2**63, "Feature: x has uint64_t element. Only int64_t is supported."),
    ],
)
def test_other_values_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ServingError, match=message) as caught:
        example_of({"x": value})
    assert caught.value.code is Code.INVALID_ARGUMENT
