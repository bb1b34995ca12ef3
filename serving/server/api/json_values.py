"""Convert a JSON value to the elements of a tensor, with TF Serving's checks and messages."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.wire.errors import Code, ServingError, invalid
from serving.wire.tensors import STRING, numpy_type, type_name

_JSON_TYPES = {type(None): "Null", dict: "Object", list: "Array", str: "String"}


@dataclass(frozen=True)
class Parsed:
    """The shape of a JSON value and its elements in row-major order."""

    shape: tuple[int, ...]
    elements: list[Any]


def parse(value: Any, data_type: int, like: Parsed | None = None) -> Parsed:
    """Read a scalar or nested lists.

    Args:
        value: the JSON value.
        data_type: the DataType of its elements.
        like: an earlier row of the same tensor; the value must have its shape.

    Raises:
        ServingError: INVALID_ARGUMENT: ragged lists, a different shape, or a value of another type.
    """
    shape: list[int] = []
    nested = value
    while isinstance(nested, list):
        shape.append(len(nested))
        if not nested:
            break
        nested = nested[0]
    elements: list[Any] = []
    _flatten(value, 0, shape, _CONVERT.get(data_type, _unsupported), data_type, elements)
    if like and len(like.elements) != len(elements):
        raise invalid(f"Expecting tensor size: {len(like.elements)} but got: {len(elements)}")
    if like and like.shape != tuple(shape):
        raise invalid(f"Expecting shape {_shape(like.shape)} but got: {_shape(shape)}")
    return Parsed(tuple(shape), elements)


def _flatten(
    value: Any,
    level: int,
    shape: list[int],
    convert: Callable[[Any, int], Any],
    data_type: int,
    elements: list[Any],
) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {text_of(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        elements.append(convert(value, data_type))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _flatten(item, level + 1, shape, convert, data_type, elements)


def _float(value: Any, data_type: int) -> float:
    if type(value) not in (int, float):
        raise _wrong_type(value, data_type)
    float_type = numpy_type(data_type)
    limits = np.finfo(float_type)
    lossless = (
        abs(value) < 2 ** (limits.nmant + 1)
        if type(value) is int
        else not math.isfinite(value) or abs(value) <= float(limits.max)
    )
    if not lossless:
        name = "float" if float_type == np.float32 else "double"
        raise invalid(f"Cannot convert JSON value: {value} to {name} without loss of precision.")
    return float(value)


def _integer(value: Any, data_type: int) -> int:
    limits = np.iinfo(numpy_type(data_type))
    if type(value) is not int or not limits.min <= value <= limits.max:
        raise _wrong_type(value, data_type)
    return value


def _string(value: Any, data_type: int) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not isinstance(value, dict):
        raise _wrong_type(value, data_type)
    if not is_base64(value):
        raise invalid(f"JSON Value: {text_of(value)} not formatted correctly for base64 data")
    try:
        text = value["b64"].rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _boolean(value: Any, data_type: int) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, data_type)
    return value


def _unsupported(value: Any, data_type: int) -> Any:
    message = f"Conversion of JSON Value: {text_of(value)} to type: {type_name(data_type)}"
    raise ServingError(Code.UNIMPLEMENTED, message)


_CONVERT: dict[int, Callable[[Any, int], Any]] = {
    **dict.fromkeys((1, 2), _float),
    **dict.fromkeys((3, 4, 5, 6, 9, 22, 23), _integer),
    STRING: _string,
    10: _boolean,
}


def _wrong_type(value: Any, data_type: int) -> ServingError:
    expected = type_name(data_type).removeprefix("DT_").lower()
    actual = str(value) if isinstance(value, bool) else _JSON_TYPES.get(type(value), "Number")
    return invalid(
        f"JSON Value: {text_of(value)} Type: {actual} is not of expected type: {expected}"
    )


def array_of(elements: list[Any], shape: tuple[int, ...], data_type: int) -> np.ndarray:
    """An array of a DataType from elements in row-major order."""
    array = np.empty(len(elements), numpy_type(data_type))
    array[:] = elements
    return array.reshape(shape)


def is_base64(value: Any) -> bool:
    """Whether a JSON value is `{"b64": "..."}`."""
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def is_named(value: Any) -> bool:
    """Whether a JSON value is an object of values by name."""
    return isinstance(value, dict) and not is_base64(value)


def text_of(value: Any) -> str:
    """A JSON value for a message; a long one is cut."""
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _shape(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
