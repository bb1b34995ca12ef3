"""Values of requests to Predict, and of its responses.

Expected results are those of `http_rest_api_handler_test.cc`, `http_rest_api_util_test.cc`,
`json_tensor_test.cc` and `tensorflow_model_server_test.py`, and of the sources that they test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import inf, nan

from tests.tf_serving.rest_case import PREDICT, RestCase


def cases() -> Iterator[RestCase]:
    yield from _numbers()
    yield from _rows_and_columns()
    yield from _types()
    yield from _texts()
    yield from _several_inputs()


def _numbers() -> Iterator[RestCase]:
    """Numbers for inputs of float and double, sent back by the model `types`."""
    largest = 3.4028234663852886e38
    for signature, text, expected in (
        ("float32", "1, 2.0, 3, 4, 5.003, 0.007, 0.0", [1, 2, 3, 4, 5.003, 0.007, 0]),
        ("float32", "1435774380", [1435774336.0]),
        ("float32", "1435774380.0", [1435774336.0]),
        ("float32", "16777217, 20000000, -20000001", [16777216.0, 20000000.0, -20000000.0]),
        ("float32", "1.7976931348623157e308, -1.7976931348623157e308", [inf, -inf]),
        ("float32", "2.2250738585072014e-308, -2.2250738585072014e-308", [0.0, -0.0]),
        ("float32", "18446744073709551616, 123456789012345678901234", [2.0**64, 1.2345679e23]),
        ("float32", f"{largest}, 1e39", [largest, inf]),
        ("float32", "NaN, Infinity, -Infinity, Inf, -Inf", [nan, inf, -inf, inf, -inf]),
        ("float32", "-0, 0e5, 1E+2, 25e-1", [0.0, 0.0, 100.0, 2.5]),
        ("float64", "1.0, 2, 3, 4, 0.662, 0, 0.0", [1, 2, 3, 4, 0.662, 0, 0]),
        ("float64", "9007199254740993", [9007199254740992.0]),
        ("float64", "1e308, -1e308, 1e-400", [1e308, -1e308, 0.0]),
        ("float64", "NaN, -Infinity", [nan, -inf]),
        ("int32", "2147483647, -2147483648, -0", [2147483647, -2147483648, 0]),
        ("int64", "9223372036854775807, -9223372036854775808", [2**63 - 1, -(2**63)]),
        ("uint64", "18446744073709551615", [2**64 - 1]),
        ("uint32", "4294967295", [2**32 - 1]),
        ("int8", "127, -128", [127, -128]),
        ("uint8", "255", [255]),
        ("int16", "-32768", [-32768]),
        ("bool", "true, false", [True, False]),
    ):
        for form, answer in (("instances", "predictions"), ("inputs", "outputs")):
            body = f'{{"signature_name": "{signature}", "{form}": [{text}]}}'
            yield RestCase("/v1/models/types:predict", body.encode(), {answer: expected})
    for signature, text, actual in (
        *(("float32", text, actual) for text, actual in _NO_NUMBERS),
        *(("int32", text, actual) for text, actual in (*_NO_NUMBERS, ("1.0", "Number"))),
        ("float64", '"1"', "String"),
        ("int32", "2147483648", "Number"),
        ("int64", "9223372036854775808", "Number"),
        ("uint64", "-1", "Number"),
        ("uint64", "18446744073709551616", "Number"),
        ("uint32", "4294967296", "Number"),
        ("uint32", "-1", "Number"),
        ("int8", "2147483648", "Number"),
        ("int32", "NaN", "Number"),
        ("bool", "1", "Number"),
        ("bool", '"true"', "String"),
        ("string", "1", "Number"),
        ("string", "null", "Null"),
        ("string", "true", "True"),
    ):
        name = {"float32": "float", "float64": "double"}.get(signature, signature)
        message = f"Type: {actual} is not of expected type: {name}"
        body = f'{{"signature_name": "{signature}", "inputs": [{text}]}}'
        yield RestCase("/v1/models/types:predict", body.encode(), message, 400)
        body = f'{{"signature_name": "{signature}", "instances": [[{text}]]}}'
        where = "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON"
        yield RestCase("/v1/models/types:predict", body.encode(), where, 400)
    beyond = "Expected a number from 0 to 255 for uint8. Received: 300"  # kept: docs/serving.md
    body = b'{"signature_name": "uint8", "inputs": [300]}'
    yield RestCase("/v1/models/types:predict", body, beyond, 400)


_NO_NUMBERS = (
    ('"text"', "String"),
    ("null", "Null"),
    ("true", "True"),
    ("false", "False"),
    ("{}", "Object"),
    ('{"b64": "aGVsbG8="}', "Object"),
)


def _rows_and_columns() -> Iterator[RestCase]:
    for form, answer in (("instances", "predictions"), ("inputs", "outputs")):
        for values, expected in (
            ([1.0, 2.0, 5.0], [2.5, 3.0, 4.5]),  # the quickstart
            ([2.0, 3.0, 4.0], [3.0, 3.5, 4.0]),
            ([[1.0, 2.0], [3.0, 4.0]], [[2.5, 3.0], [3.5, 4.0]]),
            ([[[1], [2]], [[3], [4]]], [[[2.5], [3.0]], [[3.5], [4.0]]]),
            ([[], []], [[], []]),
        ):
            yield RestCase(PREDICT, json.dumps({form: values}).encode(), {answer: expected})
            matrix = "/v1/models/matrix_half_plus_two:predict"
            yield RestCase(matrix, json.dumps({form: values}).encode(), {answer: expected})
    for body, expected in (
        (b'{"inputs": 2.0}', {"outputs": 3.0}),
        (b'{"inputs": {"x": 2}}', {"outputs": 3.0}),
        (b'{"inputs": []}', {"outputs": []}),
        (b'{"inputs": {"x": [2], "extra": "ignored"}}', {"outputs": [3.0]}),
        (b'{"inputs": {"x": [2], "x": [4]}}', {"outputs": [3.0]}),
        (b'{"instances": [{"x": 1}, {"x": 2}]}', {"predictions": [2.5, 3.0]}),
        (b'{"instances": [{"x": [1, 2]}]}', {"predictions": [[2.5, 3.0]]}),
        (b'{"instances": [{"x": 1, "x": 2}]}', {"predictions": [2.5]}),
    ):
        yield RestCase(PREDICT, body, expected)
        tf2 = PREDICT.replace("two", "two_tf2")
        yield RestCase(tf2, body, expected)
    element = "Failed to process element: "
    for body, message in (
        (b'{"instances": [[1,2],[3,4],[5,6,7]]}', "Expecting tensor size: 2 but got: 3"),
        (b'{"instances": [[1,2],[3,4],[[5,6]]]}', "Expecting shape [2] but got: [1,2]"),
        (b'{"instances": [1, [1]]}', "Expecting shape [] but got: [1]"),
        (b'{"instances": [[1,2],["a","b"]]}', f"{element}1 of 'instances' list. Error: INVALID_A"),
        (b'{"instances": [[1, [2]]]}', "Encountered list at unexpected level: 1 expected < 1"),
        (b'{"instances": [[[1], 2]]}', "JSON Value: 2 found at incorrect level: 2 in the JSON DOM"),
        (b'{"instances": [[[1, 2], [3]]]}', "Encountered list at unexpected size: 1 at level: 1 "),
        (b'{"inputs": [[1, 2], [3]]}', "at unexpected size: 1 at level: 1 expected size: 2"),
        (b'{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
        (b'{"inputs": {"y": 1}}', "Missing named input: x in 'inputs' object."),
        (b'{"inputs": {}}', "Missing named input: x in 'inputs' object."),
        (b'{"inputs": "text"}', 'JSON Value: "text" Type: String is not of expected type: float'),
        (b'{"inputs": null}', "JSON Value: null Type: Null is not of expected type: float"),
        (b'{"instances": [{"x": 1}, 2]}', "Expecting object but got list at item 1 of input list"),
        (b'{"instances": [1, {"x": 2}]}', "Expecting value/list but got object at item 1 of input"),
        (b'{"instances": [{"y": 1}]}', f"{element}0 key: y of 'instances' list. Error: INVALID_AR"),
        (b'{"instances": [{"y": 1}]}', "JSON object: does not have named input: y"),
        (b'{"instances": [{}]}', "JSON object: {} keys must be equal to: x"),
        (b'{"instances": [{"x": "a"}]}', f"{element}0 key: x of 'instances' list."),
        (b'{"instances": [' + b"[" * 300 + b"1" + b"]" * 300 + b"]}", "levels of lists"),
        (b'{"inputs": ' + b"[" * 5000 + b"1" + b"]" * 5000 + b"}", "levels of lists"),
    ):
        yield RestCase(PREDICT, body, message, 400)


def _types() -> Iterator[RestCase]:
    types = "/v1/models/types:predict"
    made = {"float32": [1.0, 0.0], "float64": [1.0, 0.0], "bool": [True, False]}
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", *made):
        body = f'{{"signature_name": "make_{name}", "instances": [1]}}'
        yield RestCase(types, body.encode(), {"predictions": made.get(name, [1, 0])})
    for name, short in (
        ("float16", "half"),
        ("bfloat16", "bfloat16"),
        ("uint16", "uint16"),
        ("complex64", "complex64"),
        ("complex128", "complex128"),
    ):
        message = f"Conversion of JSON Value: 1 to type: {short}"
        body = f'{{"signature_name": "{name}", "inputs": [1]}}'
        yield RestCase(types, body.encode(), message, 501)
        body = f'{{"signature_name": "{name}", "instances": [1]}}'
        yield RestCase(types, body.encode(), f"Error: UNIMPLEMENTED: {message}", 400)
        for form in ("inputs", "instances"):
            body = f'{{"signature_name": "make_{name}", "{form}": [1]}}'
            message = f"Failed to write JSON value for tensor type: {short}"
            yield RestCase(types, body.encode(), message, 400)


def _texts() -> Iterator[RestCase]:
    types = "/v1/models/types:predict"
    hello, world = {"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}
    for form, answer in (("instances", "predictions"), ("inputs", "outputs")):
        for values in ([hello, world], [[hello], [world]], [[[hello], [world]]]):
            yield RestCase(types, json.dumps({form: values}).encode(), {answer: values})
        for text, expected in (
            ('"\\u00e9"', "w6k="),
            ('"\\ud83d\\ude00"', "8J+YgA=="),
            ('"a:b\\"c\\\\"', "YTpiImNc"),
            ('"a\\u0000b"', "YQBi"),
            ('""', ""),
        ):
            body = f'{{"{form}": [{text}]}}'.encode()
            yield RestCase(types, body, {answer: [{"b64": expected}]})
        yield RestCase(types, b'{"%s": ["\xff\xfe"]}' % form.encode(), {answer: [{"b64": "//4="}]})
    for text, expected in (
        (" aGVs\\nbG8= ", "aGVsbG8="),
        ("aGVsbG8", "aGVsbG8="),
        ("aGVsbG8.", "aGVsbG8="),
        ("aA", "aA=="),
        ("aA= =", "aA=="),
        ("aA..", "aA=="),
        ("", ""),
    ):
        yield RestCase(
            types, f'{{"inputs": {{"b64": "{text}"}}}}'.encode(), {"outputs": {"b64": expected}}
        )
    for text in ("a", "aGVsbG8==", "aA=", "aGVs=", "aG*s", "aG=Vs", "=", "aGVs_-==", "\\u00e9abc"):
        body = f'{{"inputs": {{"b64": "{text}"}}}}'.encode()
        yield RestCase(types, body, "Unable to base64 decode", 400)
    for value in ('{"b64": 1}', '{"b64": "", "b64": ""}', '{"B64": "aGVsbG8="}', "{}"):
        body = f'{{"instances": [[{value}]]}}'.encode()
        yield RestCase(types, body, "not formatted correctly for base64 data", 400)
    scalar = b'{"signature_name": "string", "inputs": "text"}'
    yield RestCase(types, scalar, {"outputs": "text"})
    replaced = b'{"signature_name": "make_string", "inputs": 1}'  # kept: docs/serving.md
    yield RestCase(types, replaced, {"outputs": ["a", "\ufffd"]})


def _several_inputs() -> Iterator[RestCase]:
    images = "/v1/models/images:predict"
    row = {"image_bytes": {"b64": "aGVsbG8="}, "size": 3}
    answer = {"length": 5, "half": 1.5, "image_bytes": {"b64": "aGVsbG8="}}
    yield RestCase(images, json.dumps({"instances": [row]}).encode(), {"predictions": [answer]})
    rows = {"instances": [row, {**row, "size": nan}]}
    answers = {"predictions": [answer, {**answer, "half": nan}]}
    yield RestCase(images, json.dumps(rows).encode(), answers)
    yield RestCase(images, json.dumps({"inputs": row}).encode(), {"outputs": answer})
    columns = {"inputs": {"image_bytes": [row["image_bytes"]] * 2, "size": [3, 4]}}
    outputs = {"length": [5, 5], "half": [1.5, 2.0], "image_bytes": [row["image_bytes"]] * 2}
    yield RestCase(images, json.dumps(columns).encode(), {"outputs": outputs})
    plain = "but expecting list of objects as multiple input tensors required as per tensorinfo_map"
    only_column = "but expecting an object as multiple input tensors required as per tensorinfo_map"
    for body, message in (
        ({"instances": [1, 2]}, f"instances is a plain list, {plain}"),
        ({"instances": [[1]]}, f"instances is a plain list, {plain}"),
        ({"inputs": [1]}, f"inputs is a plain value/list, {only_column}"),
        ({"inputs": {"b64": "aGVsbG8="}}, f"inputs is a plain value/list, {only_column}"),
        ({"inputs": {"size": 1}}, "Missing named input: image_bytes in 'inputs' object."),
        ({"instances": [{"size": 1}]}, "keys must be equal to: image_bytes,size"),
        ({"instances": [row, {"size": 1}]}, "Failed to process element: 1 of 'instances' list."),
        ({"instances": [row, [1, 20]]}, "Expecting object but got list at item 1 of input list"),
        ({"instances": [{**row, "more": 1}]}, "JSON object: does not have named input: more"),
        ({"instances": [row, {**row, "size": [1]}]}, "Expecting shape [] but got: [1]"),
        ({"instances": [row, {**row, "size": [1, 2]}]}, "Expecting tensor size: 1 but got: 2"),
        ({"instances": [{"b64": "aGVsbG8="}]}, "input size does not match signature: 1!=2"),
        (
            {"signature_name": "total", "instances": [row]},
            "Tensor name: total has no shape information ",
        ),
        (
            {"signature_name": "tail", "instances": [row, row]},
            "Tensor name: tail has inconsistent batch size: 1 expecting: 2",
        ),
    ):
        yield RestCase(images, json.dumps(body).encode(), message, 400)
    total = {"signature_name": "total", "inputs": {**row, "size": [1, 2]}}
    yield RestCase(
        images, json.dumps(total).encode(), {"outputs": {"half": [0.5, 1.0], "total": 3}}
    )
