"""Which parser reads a document makes no difference."""

import json
from typing import Any

import pytest

from serving.server.api.json_text import MAX_ODD_BYTES, parse_document, text_of, type_of
from serving.server.api.rapidjson import Repeated
from serving.wire.errors import ServingError


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": [1, 2.5]}', {"a": [1, 2.5]}),
        (b'{"a": "x: y"}', {"a": "x: y"}),
        (b'{"a": Infinity}', {"a": float("inf")}),
        (b'{"a": "\xff"} and more', {"a": "\udcff"}),
        (b'\xef\xbb\xbf{"a": {"b64": "YQ=="}}', {"a": {"b64": "YQ=="}}),
        (b'{"a": "\\ud83d\\ude00:"}', {"a": "\N{GRINNING FACE}:"}),
        (b'{"a": [[1], {"b": 1}]}', {"a": [[1], {"b": 1}]}),
    ],
)
def test_documents(body: bytes, expected: dict[str, Any]) -> None:
    assert parse_document(body) == expected


@pytest.mark.parametrize(
    "body", [b'{"a": 1, "a": 2}', b'{"a": 1, "a": NaN}', b'{"b": [1, {"a": 1, "a": 2}]}']
)
def test_repeated_names_are_noticed(body: bytes) -> None:
    document = parse_document(body)
    inner = document["b"][1] if "b" in document else document
    assert isinstance(inner, Repeated)
    assert inner["a"] == 1


@pytest.mark.parametrize("body", [b'{"a": 1e999}', b'{"a": "\\udc00"}', b'{"a": ' + b"9" * 5000])
def test_what_python_takes_but_tf_serving_refuses(body: bytes) -> None:
    with pytest.raises(ServingError, match=r"JSON Parse error: .* at offset: "):
        parse_document(body)


def test_the_slow_parser_does_not_get_large_documents() -> None:
    body = b'{"a": "' + b"x" * MAX_ODD_BYTES + b'", "b": '
    with pytest.raises(ServingError, match="JSON Parse error: Expecting value"):
        parse_document(body)
    with pytest.raises(ServingError, match="may be invalid"):
        parse_document(body + b"1e999}")


def test_messages_have_tf_servings_layout_and_are_cut() -> None:
    assert text_of([1, 2.5, None, True, "ä"]) == '[1, 2.5, null, true, "ä"]'
    document = {"a": {"b": [1]}, "c": {}}
    assert text_of(document) == json.dumps(document, indent=4).replace(
        "[\n            1\n        ]", "[1]"
    )
    assert len(text_of(["x" * 1000] * 1000)) < 600
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert text_of(nested) == "[" * 256
    assert [type_of(value) for value in (None, True, 1, 1.5, "a", [], {})] == [
        *("Null", "True", "Number", "Number", "String", "Array", "Object")
    ]
