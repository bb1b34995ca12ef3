"""One JSON value of a request to a tensor's elements, with TF Serving's checks and messages."""

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

_KINDS = {type(None): "Null", dict: "Object", list: "Array", str: "String"}


@dataclass(frozen=True)
class Cells:
    """A value's shape and its elements, in row-major order."""

    shape: tuple[int, ...]
    values: list[Any]


def parse(value: Any, kind: int, like: Sequence[Cells] = ()) -> Cells:
    """Read a scalar or nested lists.

    Args:
        value: the JSON value.
        kind: the DataType of its elements.
        like: cells of the same tensor read before, whose shape this one must have.

    Raises:
        ServingError: INVALID_ARGUMENT: ragged lists, another shape, a value of another type.
    """
    shape: list[int] = []
    nested = value
    while isinstance(nested, list):
        shape.append(len(nested))
        if not nested:
            break
        nested = nested[0]
    values: list[Any] = []
    _flatten(value, 0, shape, _CONVERT.get(kind, _unsupported), kind, values)
    if like and len(like[0].values) != len(values):
        raise invalid(f"Expecting tensor size: {len(like[0].values)} but got: {len(values)}")
    if like and like[0].shape != tuple(shape):
        raise invalid(f"Expecting shape {_shape(like[0].shape)} but got: {_shape(shape)}")
    return Cells(tuple(shape), values)


def _flatten(
    value: Any,
    level: int,
    shape: list[int],
    convert: Callable[[Any, int], Any],
    kind: int,
    into: list[Any],
) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {text_of(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        into.append(convert(value, kind))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _flatten(item, level + 1, shape, convert, kind, into)


def _float(value: Any, kind: int) -> float:
    if type(value) not in (int, float):
        raise _mistyped(value, kind)
    numpy = numpy_type(kind)
    limits = np.finfo(numpy)
    lossless = (
        abs(value) < 2 ** (limits.nmant + 1)
        if type(value) is int
        else not math.isfinite(value) or abs(value) <= float(limits.max)
    )
    if not lossless:
        name = "float" if numpy == np.float32 else "double"
        raise invalid(f"Cannot convert JSON value: {value} to {name} without loss of precision.")
    return float(value)


def _integer(value: Any, kind: int) -> int:
    limits = np.iinfo(numpy_type(kind))
    if type(value) is not int or not limits.min <= value <= limits.max:
        raise _mistyped(value, kind)
    return value


def _string(value: Any, kind: int) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not isinstance(value, dict):
        raise _mistyped(value, kind)
    if not is_base64(value):
        raise invalid(f"JSON Value: {text_of(value)} not formatted correctly for base64 data")
    try:
        text = value["b64"].rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _boolean(value: Any, kind: int) -> bool:
    if not isinstance(value, bool):
        raise _mistyped(value, kind)
    return value


def _unsupported(value: Any, kind: int) -> Any:
    raise ServingError(
        Code.UNIMPLEMENTED, f"Conversion of JSON Value: {text_of(value)} to type: {type_name(kind)}"
    )


_CONVERT: dict[int, Callable[[Any, int], Any]] = {
    **dict.fromkeys((1, 2), _float),
    **dict.fromkeys((3, 4, 5, 6, 9, 22, 23), _integer),
    STRING: _string,
    10: _boolean,
}


def _mistyped(value: Any, kind: int) -> ServingError:
    expected = type_name(kind).removeprefix("DT_").lower()
    return invalid(
        f"JSON Value: {text_of(value)} Type: {_kind(value)} is not of expected type: {expected}"
    )


def array_of(values: list[Any], shape: tuple[int, ...], kind: int) -> np.ndarray:
    """An array of a DataType from elements in row-major order."""
    array = np.empty(len(values), numpy_type(kind))
    array[:] = values
    return array.reshape(shape)


def is_base64(value: Any) -> bool:
    """Whether a JSON value is `{"b64": "..."}`."""
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def is_named(value: Any) -> bool:
    """Whether a JSON value holds values by name."""
    return isinstance(value, dict) and not is_base64(value)


def text_of(value: Any) -> str:
    """A JSON value in a message, cut where it is long."""
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _shape(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return _KINDS.get(type(value), "Number")
