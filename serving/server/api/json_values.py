"""Convert JSON values to tensors, with the checks and messages of TF Serving's `json_tensor.cc`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.server.api.json_text import text_of, type_of
from serving.server.api.rapidjson import Repeated
from serving.wire.errors import Code, ServingError, invalid
from serving.wire.tensors import STRING, numpy_type, short_name

_BASE64 = re.compile(r"([A-Za-z0-9+/]*)([=.]*)", re.ASCII)
_SPACE = re.compile(r"[ \t\n\v\f\r]+")
_MAX_DIMENSIONS = 64


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
            UNIMPLEMENTED: JSON has no form for the data type.
    """
    shape: list[int] = []
    nested = value
    while isinstance(nested, list):
        shape.append(len(nested))
        if len(shape) > _MAX_DIMENSIONS:
            raise invalid(f"Expected at most {_MAX_DIMENSIONS} levels of lists.")
        if not nested:
            break
        nested = nested[0]
    elements: list[Any] = []
    _flatten(value, 0, shape, data_type, elements)
    if like and len(like.elements) != len(elements):
        raise invalid(f"Expecting tensor size: {len(like.elements)} but got: {len(elements)}")
    if like and like.shape != tuple(shape):
        raise invalid(f"Expecting shape {_shape(like.shape)} but got: {_shape(shape)}")
    return Parsed(tuple(shape), elements)


def array_of(elements: list[Any], shape: tuple[int, ...], data_type: int) -> np.ndarray:
    """An array of a DataType from elements in row-major order.

    A number beyond the range of a float becomes infinite, as in TF Serving.
    """
    dtype = numpy_type(data_type)
    if data_type == STRING:
        array = np.empty(len(elements), object)
        array[:] = elements
    elif dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = np.array(elements, np.float64).astype(dtype)
    else:
        array = np.array(elements, dtype)
    return array.reshape(shape)


def decode_base64(text: str) -> bytes:
    """Decode base64: with white space anywhere, and with padding or without it.

    Raises:
        ServingError: INVALID_ARGUMENT: it is not base64.
    """
    try:
        if len(text) % 4 == 0 and not text.endswith("==="):
            return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        pass  # it may have white space
    match = _BASE64.fullmatch(_SPACE.sub("", text))
    if match is not None:
        digits, padding = match[1], len(match[2])
        missing = -len(digits) % 4
        if missing != 3 and padding in (0, missing):
            return base64.b64decode(digits + "=" * missing)
    raise invalid("Unable to base64 decode")


def is_base64(value: Any) -> bool:
    """Whether a JSON value is `{"b64": "..."}`."""
    return type(value) is dict and list(value) == ["b64"] and isinstance(value["b64"], str)


def is_named(value: Any) -> bool:
    """Whether a JSON value is an object of values by name."""
    return isinstance(value, dict) and not is_base64(value)


def encoded(text: str) -> bytes:
    """The bytes of a JSON string as they came."""
    return text.encode("utf-8", "surrogateescape")


def is_large(value: int) -> bool:
    """Whether a whole number has more than 64 bits; TF Serving then reads it as a float."""
    return not -(2**63) <= value < 2**64


def _flatten(
    value: Any, level: int, shape: Sequence[int], data_type: int, elements: list[Any]
) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {text_of(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        elements.append(_convert(value, data_type))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    if level == len(shape) - 1 and _all_plain(value, data_type):
        elements.extend(map(encoded, value) if data_type == STRING else value)
        return
    for item in value:
        _flatten(item, level + 1, shape, data_type, elements)


def _all_plain(values: list[Any], data_type: int) -> bool:
    """Whether all values are elements as they are; a quick answer for the usual list."""
    types = set(map(type, values))
    if not types <= _PLAIN.get(data_type, frozenset()):
        return False
    if not values or data_type not in _INTEGERS:
        return True
    limits = _INTEGERS[data_type]
    return bool(limits.min <= min(values) and max(values) <= limits.max)


def _convert(value: Any, data_type: int) -> Any:
    if isinstance(value, dict) and data_type != STRING:
        raise _wrong_type(value, data_type)
    return _CONVERT.get(data_type, _unsupported)(value, data_type)


def _float(value: Any, data_type: int) -> float:
    if type(value) not in (int, float):
        raise _wrong_type(value, data_type)
    return float(value)


def _integer(value: Any, data_type: int) -> int:
    if type(value) is not int:
        raise _wrong_type(value, data_type)
    limits = _INTEGERS[data_type]
    if limits.min <= value <= limits.max:
        return value
    if limits.bits < 32 and -(2**31) <= value < 2**31:
        raise invalid(
            f"Expected a number from {limits.min} to {limits.max} for {short_name(data_type)}. "
            f"Received: {value}"
        )
    raise _wrong_type(value, data_type)


def _string(value: Any, data_type: int) -> bytes:
    if isinstance(value, str):
        return encoded(value)
    if not isinstance(value, dict):
        raise _wrong_type(value, data_type)
    if not is_base64(value):
        raise invalid(f"JSON Value: {text_of(value)} not formatted correctly for base64 data")
    return decode_base64(value["b64"])


def _boolean(value: Any, data_type: int) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, data_type)
    return value


def _unsupported(value: Any, data_type: int) -> Any:
    message = f"Conversion of JSON Value: {text_of(value)} to type: {short_name(data_type)}"
    raise ServingError(Code.UNIMPLEMENTED, message)


_FLOATS = (1, 2)
_INTEGERS = {number: np.iinfo(numpy_type(number)) for number in (3, 4, 5, 6, 9, 22, 23)}
_BOOL = 10
_CONVERT: Mapping[int, Callable[[Any, int], Any]] = {
    **dict.fromkeys(_FLOATS, _float),
    **dict.fromkeys(_INTEGERS, _integer),
    STRING: _string,
    _BOOL: _boolean,
}
_PLAIN: Mapping[int, frozenset[type]] = {
    **dict.fromkeys(_FLOATS, frozenset((int, float))),
    **dict.fromkeys(_INTEGERS, frozenset((int,))),
    STRING: frozenset((str,)),
    _BOOL: frozenset((bool,)),
}
WRITABLE = frozenset(_CONVERT)
"""The DataTypes that have a form in JSON."""


def _wrong_type(value: Any, data_type: int) -> ServingError:
    return invalid(
        f"JSON Value: {text_of(value)} Type: {type_of(value)} is not of expected type: "
        f"{short_name(data_type)}"
    )


def pairs_of(value: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    """All members of a JSON object, also those whose name comes again."""
    return value.pairs if isinstance(value, Repeated) else list(value.items())


def _shape(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
