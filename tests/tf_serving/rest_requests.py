"""Paths, models, versions, labels and the JSON text of requests.

Expected results are those of `http_rest_api_handler_test.cc`, `http_rest_api_util_test.cc`,
`json_tensor_test.cc` and `tensorflow_model_server_test.py`, and of the sources that they test.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.tf_serving.rest_case import PREDICT, RestCase

AVAILABLE = {
    "model_version_status": [
        {
            "version": "123",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
}


def cases() -> Iterator[RestCase]:
    yield from _paths()
    yield from _targets()
    yield from _documents()


def _paths() -> Iterator[RestCase]:
    malformed = "Malformed request: "
    for method, path in (
        ("GET", "/v1/foo"),
        ("POST", "/v1/foo"),
        ("GET", "/v1/models/debug/model_name"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/foo:predict"),
        ("GET", "/v1/models/foo/version/50:predict"),
        ("POST", "/v1/models/foo/version/50:regress"),
        ("POST", "/v1/models/foo/versions/HELLO:regress"),
        ("POST", "/v1/models/foo/versions/%D9%A3:predict"),
        ("POST", "/v1/models/foo/metadata"),
        ("POST", "/v1/models/foo/label/some_label:regress"),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:regress"),
        ("POST", "/v1/models/foo/versions/some_label:regress"),
        ("POST", "/v1/models/half_plus_two:explain"),
        ("POST", "/v1/models/half_plus_two"),
        ("PUT", "/v1/models/half_plus_two"),
        ("DELETE", "/v1/models/half_plus_two"),
        ("PATCH", "/v1/models/half_plus_two:predict"),
    ):
        yield RestCase(path, b"", f"{malformed}{method} {path}", 400, method)
    yield RestCase("/v1/models", b"", "Missing model name", 400, "GET")
    for version in (2**64 - 1, 2**63, 10**30):
        for method, suffix in (("POST", ":regress"), ("GET", ""), ("GET", "/metadata")):
            path = f"/v1/models/foo/versions/{version}{suffix}"
            yield RestCase(path, b"", f"Failed to convert version: {version} to num", 400, method)
    for path in ("/statuspage", "/index", "/v1"):
        yield RestCase(path, b"", None, 404, "GET")
    origin = ("Origin", "http://example.com")
    yield RestCase(PREDICT, b"", None, 200, "OPTIONS", (origin,))
    yield RestCase(PREDICT, b"", None, 200, "OPTIONS", (("Origin", "https://example.com"),))
    yield RestCase("/v1/models/foo", b"", None, 200, "OPTIONS", (origin,))
    yield RestCase(PREDICT, b"", None, 400, "OPTIONS")
    yield RestCase(PREDICT, b"", None, 400, "OPTIONS", (("Origin", "null"),))


def _targets() -> Iterator[RestCase]:
    good, three = b'{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}
    for path in (
        "/v1/models/half_plus_two:predict",
        "/v1/models/half_plus_two/versions/123:predict",
        "/v1/models/half_plus_two/versions/00123:predict",
        "/v1/models/half_plus_two/labels/stable:predict",
        "/v1/models/half_plus_two/labels/odd%2Flabel:predict",
        "/V1/Models/half_plus_two:PREDICT",
        "/v1/models/half%5Fplus%5Ftwo:predict",
        "/v1/models/half_plus_two:predict?verbose=1",
    ):
        yield RestCase(path, good, three)
    for path in ("foo", "foo/versions/50", "half_plus_two99", "half_plus_two/versions/99"):
        yield RestCase(f"/v1/models/{path}:predict", good, "Servable not found for request", 404)
    yield RestCase(
        "/v1/models/half_plus_two/labels/nobody:predict",
        b'{"instances": ["x"]}',
        "Unrecognized servable version label: nobody",
        400,
    )
    for path in ("", "/versions/123", "/labels/stable", "/labels/nobody"):  # labels do not choose
        yield RestCase(f"/v1/models/half_plus_two{path}", b"", AVAILABLE, 200, "GET")
    for path, message in (
        ("foo", "Could not find any versions of model foo"),
        ("half_plus_two/versions/9", "Could not find version 9 of model half_plus_two"),
        ("foo/metadata", "Servable not found for request: Latest(foo)"),
        ("half_plus_two/versions/9/metadata", "request: Specific(half_plus_two, 9)"),
    ):
        yield RestCase(f"/v1/models/{path}", b"", message, 404, "GET")


def _documents() -> Iterator[RestCase]:
    deep = b"[" * 500_000 + b"]" * 500_000
    good = {"predictions": [3.0]}
    for body in (
        b'{"instances": [2.0]} and more',
        b'{"instances": [2.0]}{"instances": [3.0]}',
        b'\xef\xbb\xbf{"instances": [2.0]}',
        b'\r\n\t {"instances":\t[2.0]}\n',
        b'{"instances": [2.0], "instances": [4.0]}',
        b'{"instances": [2.0], "ignored": {"a": [null, true]}}',
        b'{"instances": [2.0], "ignored": "\xff\xfe"}',
        b'{"instances": [2.0], "ignored": [Inf, -Inf, NaN, Infinity, -Infinity, -NaN]}',
        b'{"instances": [2.0], "ignored": "\\ud83d\\ude00 \\u00e9 \\/"}',
        b'{"instances": [2.0], "signature_name": ""}',
        b'{"instances": [2.0], "signature_name": "serving_default"}',
        b'{"instances": [2.0], "nested": ' + deep + b"}",
    ):
        yield RestCase(PREDICT, body, good)
    for body, message in (
        (b"", "JSON Parse error: The document is empty"),
        (b" \n", "JSON Parse error: The document is empty. at offset: 2"),
        (b"instances = [1, 2]", "JSON Parse error: Invalid value. at offset: 0"),
        (b"{", "Missing a name for object member. at offset: 1"),
        (b"{1: 2}", "Missing a name for object member. at offset: 1"),
        (b'{"a": 1,}', "Missing a name for object member. at offset: 8"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a": 1 "b"}', "Missing a comma or } after an object member. at offset: 8"),
        (b'{"instances": [1 2]}', "Missing a comma or ] after an array element. at offset: 17"),
        (b'{"instances": [1,]}', "Invalid value. at offset: 17"),
        (b'{"instances": [1, 2', "Missing a comma or ] after an array element. at offset: 19"),
        (b'{"instances": [tru]}', "Invalid value. at offset: 18"),
        (b'{"instances": [01]}', "Missing a comma or ] after an array element. at offset: 16"),
        (b'{"instances": [.5]}', "Invalid value. at offset: 15"),
        (b'{"instances": [+1]}', "Invalid value. at offset: 15"),
        (b'{"instances": [-]}', "Invalid value. at offset: 16"),
        (b'{"instances": [1.]}', "Miss fraction part in number. at offset: 17"),
        (b'{"instances": [1e]}', "Miss exponent in number. at offset: 17"),
        (b'{"instances": [1e400]}', "Number too big to be stored in double. at offset: 15"),
        (b'{"instances": [1], "a": -1e999}', "Number too big to be stored in double. at offset"),
        (b'{"instances": [1' + b"0" * 400 + b"]}", "Number too big to be stored in double."),
        (b'{"instances": ["a\nb"]}', "Invalid encoding in string. at offset: 17"),
        (b'{"instances": ["a', "Missing a closing quotation mark in string. at offset: 17"),
        (b'{"instances": ["\\x"]}', "Invalid escape character in string. at offset: 16"),
        (b'{"instances": ["\\u12x4"]}', "Incorrect hex digit after \\u escape in string."),
        (b'{"instances": ["\\ud800"]}', "The surrogate pair in string is invalid. at offset: 16"),
        (b'{"instances": ["\\ud800\\u0041"]}', "The surrogate pair in string is invalid."),
        (b'{"instances": ["\\udc00"]}', "The surrogate pair in string is invalid."),
        (b'{"instances": [1], "\\udfff": 1}', "The surrogate pair in string is invalid."),
        (b"[]", "JSON Value: [] Is not object"),
        (b"[1, [2.5, null]]", "JSON Value: [1, [2.5, null]] Is not object"),
        (b'"text"', 'JSON Value: "text" Is not object'),
        (b"null", "JSON Value: null Is not object"),
        (b"{}", "Missing 'inputs' or 'instances' key"),
        (b'{"signature_name": 100}', "'signature_name' key must be a string value."),
        (b'{"signature_name": ["a"], "instances": [1]}', 'JSON Value: {\n    "signature_name": ["'),
        (b'{"signature_name": ' + deep + b"}", "key must be a string value"),
        (b'{"instances": [1], "signature_name": "no"}', 'name: "no" not found in signature def'),
        (b'{"instances": [1], "inputs": [1]}', "Not formatted correctly expecting only one of"),
        (b'{"instances": 5}', "Expecting 'instances' to be an list/array"),
        (b'{"instances": {"x": [1]}}', "Expecting 'instances' to be an list/array"),
        (b'{"instances": []}', "No values in 'instances' array"),
    ):
        yield RestCase(PREDICT, body, message, 400)
    counter = "/v1/models/counter:predict"
    no_map = "Failed to get input map for signature: get_counter"
    for form in ('"instances": [1]', '"inputs": 1', '"inputs": {}'):
        body = ('{"signature_name": "get_counter", ' + form + "}").encode()
        yield RestCase(counter, body, no_map, 400)
    yield RestCase(counter, b'{"inputs": 1}', 'name: "serving_default" not found', 400)
