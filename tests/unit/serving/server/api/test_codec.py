"""JSON of predict requests and responses: forms, types, and TF Serving's messages."""

import json
import math
from typing import Any, Literal

import numpy as np
import pytest

from serving.server.api.codec import decode_predict, encode_predict
from serving.wire.errors import Code, ServingError

FLOAT, DOUBLE, INT, UINT8, STRING, LONG, BOOL = 1, 2, 3, 4, 7, 9, 10
TWO = {"text": STRING, "x": FLOAT}


def decode(document: Any, types: dict[str, int], form: str | None = None) -> dict[str, np.ndarray]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    decoded = decode_predict(body, "serving_default", lambda name: types)
    assert form in (None, decoded.form)
    return decoded.inputs


def test_rows_of_named_values() -> None:
    rows = [{"text": "ä", "x": 1}, {"x": 2.5, "text": {"b64": "/w=="}}]
    inputs = decode({"instances": rows}, TWO, "row")
    assert inputs["text"].tolist() == ["ä".encode(), b"\xff"]
    assert inputs["x"].dtype == np.float32
    assert inputs["x"].tolist() == [1.0, 2.5]


def test_rows_of_bare_values() -> None:
    assert decode({"instances": [[1, 2], [3, 4]]}, {"x": FLOAT})["x"].shape == (2, 2)
    assert decode({"instances": [{"x": 1}, {"x": 2}]}, {"x": FLOAT})["x"].tolist() == [1, 2]
    bytes_rows = decode({"instances": [{"b64": "YQ=="}, {"b64": "Yg"}]}, {"s": STRING})
    assert bytes_rows["s"].tolist() == [b"a", b"b"]


def test_columns() -> None:
    inputs = decode({"inputs": {"text": ["a", "b"], "x": [1, 2]}}, TWO, "column")
    assert inputs["x"].tolist() == [1, 2]
    assert decode({"inputs": [[1], [2]]}, {"x": LONG})["x"].shape == (2, 1)
    assert decode({"inputs": 3}, {"x": LONG})["x"].shape == ()
    assert decode({"inputs": {"b64": "YQ=="}}, {"s": STRING})["s"].item() == b"a"


def test_nan_and_infinity_are_numbers() -> None:
    x = decode(b'{"inputs": [NaN, Infinity, -Infinity]}', {"x": FLOAT})["x"]
    assert math.isnan(x[0])
    assert x[1:].tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("data_type", "numpy"), [(INT, np.int32), (UINT8, np.uint8), (LONG, np.int64), (BOOL, np.bool_)]
)
def test_types(data_type: int, numpy: type) -> None:
    value: Any = [True, False] if data_type == BOOL else [1, 0]
    x = decode({"inputs": value}, {"x": data_type})["x"]
    assert x.dtype == numpy
    assert x.tolist() == value


def test_numbers_beyond_precision_or_range_become_the_nearest_float() -> None:
    numbers = [2**24 + 1, 20_000_000, 1e39, -(2**70)]
    x = decode({"instances": numbers}, {"x": FLOAT})["x"]
    assert x.tolist() == [2.0**24, 2e7, math.inf, -(2.0**70)]
    assert decode({"inputs": 2**53 + 1}, {"x": DOUBLE})["x"].item() == 2.0**53


def test_the_signature_is_named_or_the_default() -> None:
    for document, name in (({}, "serving_default"), ({"signature_name": "odd"}, "odd")):
        body = json.dumps({**document, "instances": [1]}).encode()
        assert decode_predict(body, "serving_default", lambda _: {"x": INT}).signature == name


@pytest.mark.parametrize(
    ("document", "types", "message"),
    [
        (b"", TWO, "JSON Parse error: The document is empty"),
        (b"{", TWO, "JSON Parse error: .* at offset: 1"),
        (b"\xff", TWO, "JSON Parse error: "),
        (b"[" * 100_000, TWO, "JSON Parse error: "),
        ([1], TWO, r"JSON Value: \[1\] Is not object"),
        ({}, TWO, "Missing 'inputs' or 'instances' key"),
        ({"instances": [1], "inputs": [1]}, TWO, "only one of 'inputs' or 'instances'"),
        ({"signature_name": 1}, TWO, "'signature_name' key must be a string"),
        ({"instances": {}}, TWO, "to be an list/array"),
        ({"instances": []}, TWO, "No values in 'instances' array"),
        ({"instances": [1]}, TWO, "instances is a plain list, but expecting list of objects"),
        ({"inputs": [1]}, TWO, "inputs is a plain value/list, but expecting an object"),
        ({"instances": [{"x": 1}]}, TWO, "(?s)element: 0 .* keys must be equal to: text,x"),
        ({"instances": [{"y": 1}]}, TWO, "element: 0 key: y .* does not have named input: y"),
        ({"instances": [{"text": "a", "x": 1}, 2]}, TWO, "Expecting object .* at item 1"),
        ({"instances": [1, {"x": 1}]}, {"x": INT}, "but got object at item 1"),
        ({"inputs": {"x": [1]}}, TWO, "Missing named input: text in 'inputs' object."),
        ({"instances": [[1], [1, 2]]}, {"x": INT}, "Expecting tensor size: 1 but got: 2"),
        ({"instances": [[1], [[1]]]}, {"x": INT}, r"Expecting shape \[1\] but got: \[1,1\]"),
        ({"inputs": [[1, 2], [3]]}, {"x": INT}, "list at unexpected size: 1 at level: 1"),
        ({"inputs": [1, [2]]}, {"x": INT}, "list at unexpected level: 1 expected < 1"),
        ({"inputs": [[1], 2]}, {"x": INT}, "2 found at incorrect level: 2 in the JSON DOM"),
        ({"inputs": ["a"]}, {"x": FLOAT}, 'Value: "a" Type: String is not of .* type: float'),
        ({"inputs": [None]}, {"x": FLOAT}, "Value: null Type: Null is not of .* type: float"),
        ({"inputs": [True]}, {"x": FLOAT}, "Value: true Type: True is not of .* type: float"),
        ({"inputs": [1.5]}, {"x": INT}, "Value: 1.5 Type: Number is not of .* type: int32"),
        ({"inputs": [2**31]}, {"x": INT}, "is not of expected type: int32"),
        ({"inputs": [256]}, {"x": UINT8}, "from 0 to 255 for uint8. Received: 256"),
        ({"inputs": [1]}, {"x": STRING}, "Value: 1 Type: Number is not of .* type: string"),
        ({"inputs": [1]}, {"x": BOOL}, "is not of expected type: bool"),
        ({"inputs": [{"b64": "*"}]}, {"x": STRING}, "Unable to base64 decode"),
        ({"inputs": [{"b46": "YQ=="}]}, {"x": STRING}, "not formatted correctly for base64"),
    ],
)
def test_bad_requests_get_tf_servings_messages(
    document: Any, types: dict[str, int], message: str
) -> None:
    with pytest.raises(ServingError, match=message) as caught:
        decode(document, types)
    assert caught.value.code is Code.INVALID_ARGUMENT


def encode(form: Literal["row", "column"], **outputs: Any) -> Any:
    return json.loads(encode_predict(form, {k: np.asarray(v) for k, v in outputs.items()}))


def test_responses_in_rows_and_columns() -> None:
    a, b = [[1, 2], [3, 4]], [5, 6]
    assert encode("row", a=a) == {"predictions": a}
    assert encode("row", a=a, b=b) == {
        "predictions": [{"a": [1, 2], "b": 5}, {"a": [3, 4], "b": 6}]
    }
    assert encode("column", a=a) == {"outputs": a}
    assert encode("column", a=a, b=b) == {"outputs": {"a": a, "b": b}}


def test_floats_are_written_short_and_read_back_the_same() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    values = np.concatenate([values, np.float32([0.1, 1e-38, 3e38, 0, np.nan, -np.inf])])
    body = encode_predict("column", {"x": values})
    assert b"0.1, " in body
    assert b"NaN, -Infinity]" in body
    read = np.array(json.loads(body)["outputs"], np.float32)
    np.testing.assert_array_equal(read, values)


def test_strings_are_text_unless_named_bytes() -> None:
    value = np.array([b"a"], object)
    assert encode("row", s=value) == {"predictions": ["a"]}
    assert encode("row", s_bytes=value) == {"predictions": [{"b64": "YQ=="}]}


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"a": 1.0}, "Tensor name: a has no shape information"),
        ({"a": [1], "b": [1, 2]}, "Tensor name: b has inconsistent batch size: 2 expecting: 1"),
    ],
)
def test_outputs_without_a_row_form_are_refused(outputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ServingError, match=message):
        encode("row", **outputs)
