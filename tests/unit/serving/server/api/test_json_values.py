"""One JSON value to the elements of a tensor; `test_codec` has whole requests."""

from typing import Any

import numpy as np
import pytest

from serving.server.api.json_values import (
    Parsed,
    array_of,
    decode_base64,
    is_base64,
    is_named,
    parse,
)
from serving.wire.errors import Code, ServingError

FLOAT, INT32, STRING, COMPLEX = 1, 3, 7, 8


@pytest.mark.parametrize(
    ("value", "data_type", "shape", "elements"),
    [
        (1.5, FLOAT, (), [1.5]),
        ([], FLOAT, (0,), []),
        ([[1, 2], [3, 4], [5, 6]], INT32, (3, 2), [1, 2, 3, 4, 5, 6]),
        ([[]], INT32, (1, 0), []),
        ({"b64": "YQ"}, STRING, (), [b"a"]),
        (["ä", {"b64": "/w=="}], STRING, (2,), ["ä".encode(), b"\xff"]),
        ("\udcff", STRING, (), [b"\xff"]),
    ],
)
def test_shapes_and_elements(
    value: Any, data_type: int, shape: tuple[int, ...], elements: list[Any]
) -> None:
    assert parse(value, data_type) == Parsed(shape, elements)


def test_rows_must_have_the_shape_of_the_first() -> None:
    first = parse([1, 2], INT32)
    assert parse([3, 4], INT32, first) == Parsed((2,), [3, 4])
    with pytest.raises(ServingError, match="Expecting tensor size: 2 but got: 1"):
        parse([3], INT32, first)
    with pytest.raises(ServingError, match=r"Expecting shape \[2\] but got: \[2,1\]"):
        parse([[3], [4]], INT32, first)


def test_unsupported_types_are_unimplemented() -> None:
    with pytest.raises(ServingError, match="to type: complex64") as caught:
        parse(1, COMPLEX)
    assert caught.value.code is Code.UNIMPLEMENTED


def test_arrays_have_the_type_and_shape() -> None:
    array = array_of([1, 2, 3, 4], (2, 2), INT32)
    assert array.dtype == np.int32
    assert array.tolist() == [[1, 2], [3, 4]]
    assert array_of([b"a", b""], (2,), STRING).dtype == object


def test_objects_are_bytes_or_named_values() -> None:
    assert is_base64({"b64": "YQ=="})
    assert not is_base64({"b64": 1})
    assert not is_base64({"b64": "YQ==", "x": 1})
    assert is_named({"x": 1})
    assert not is_named({"b64": "YQ=="})
    assert not is_named([1])


@pytest.mark.parametrize(
    ("text", "decoded"),
    [("aA==", b"h"), (" a\nA ", b"h"), ("aA", b"h"), ("aA..", b"h"), ("aGVs", b"hel"), ("", b"")],
)
def test_base64_may_have_white_space_and_needs_no_padding(text: str, decoded: bytes) -> None:
    assert decode_base64(text) == decoded


@pytest.mark.parametrize("text", ["a", "aA=", "aGVs=", "aGVs====", "a*A=", "aA=a", "_-==", "é"])
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(ServingError, match="Unable to base64 decode"):
        decode_base64(text)
