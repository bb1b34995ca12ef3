"""Convert NumPy arrays to and from `tensorflow.TensorProto`, without TensorFlow.

This works with TensorFlow's message class and with the one of `serving.wire.protos`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from serving.wire.errors import invalid

STRING = 7
MAX_FILLED = 2**24
"""Largest tensor that one repeated value may fill: a short message must not use up the memory."""
_TYPES = {  # DataType: (name, NumPy type, TensorProto's field for a list of values)
    1: ("DT_FLOAT", np.float32, "float_val"),
    2: ("DT_DOUBLE", np.float64, "double_val"),
    3: ("DT_INT32", np.int32, "int_val"),
    4: ("DT_UINT8", np.uint8, "int_val"),
    5: ("DT_INT16", np.int16, "int_val"),
    6: ("DT_INT8", np.int8, "int_val"),
    STRING: ("DT_STRING", np.object_, "string_val"),
    9: ("DT_INT64", np.int64, "int64_val"),
    10: ("DT_BOOL", np.bool_, "bool_val"),
    17: ("DT_UINT16", np.uint16, "int_val"),
    19: ("DT_HALF", np.float16, "half_val"),
    22: ("DT_UINT32", np.uint32, "uint32_val"),
    23: ("DT_UINT64", np.uint64, "uint64_val"),
}
_BY_NUMPY_TYPE = {np.dtype(numpy): number for number, (_, numpy, _) in _TYPES.items()}
_BY_NAME = {name: number for number, (name, _, _) in _TYPES.items()}


def data_type(array: np.ndarray) -> int:
    """The DataType number of an array; text and bytes are DT_STRING.

    Raises:
        ServingError: the type is not supported.
    """
    if array.dtype.kind in "OSU":
        return STRING
    if array.dtype not in _BY_NUMPY_TYPE:
        raise invalid(f"Arrays of {array.dtype} cannot be sent to a served model.")
    return _BY_NUMPY_TYPE[array.dtype]


def numpy_type(number: int) -> np.dtype[Any]:
    """The NumPy type of a DataType number; object (of bytes) for DT_STRING.

    Raises:
        ServingError: the type is not supported.
    """
    if number not in _TYPES:
        raise invalid(f"Tensors of data type {type_name(number)} are not supported.")
    return np.dtype(_TYPES[number][1])


def type_name(number: int) -> str:
    """DT_FLOAT, DT_STRING, …"""
    return _TYPES[number][0] if number in _TYPES else f"DT_{number}"


def type_number(name: str) -> int:
    """The DataType number of DT_FLOAT, DT_STRING, …

    Raises:
        ServingError: the type is not supported.
    """
    if name not in _BY_NAME:
        raise invalid(f"Tensors of data type {name} are not supported.")
    return _BY_NAME[name]


def fill(proto: Any, array: np.ndarray) -> None:
    """Write an array into an empty TensorProto."""
    proto.dtype = data_type(array)
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if proto.dtype == STRING:
        proto.string_val.extend(as_bytes(v) for v in array.ravel().tolist())
    else:
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        proto.tensor_content = little_endian.tobytes()


def as_bytes(value: str | bytes) -> bytes:
    """A string element as TensorFlow stores it; text is encoded as UTF-8."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise invalid(f"Expected text or bytes in a string tensor. Received: {value!r}")


def to_numpy(proto: Any) -> np.ndarray:
    """Read a TensorProto: raw bytes, or a list of values whose last one fills the rest.

    Raises:
        ServingError: an unsupported type, an unknown size, or too many or too few values.
    """
    dtype = numpy_type(proto.dtype)
    shape = tuple(d.size for d in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise invalid("Expected a tensor of known shape.")
    size = math.prod(shape)
    if content := proto.tensor_content if proto.dtype != STRING else b"":
        if len(content) != size * dtype.itemsize:
            raise invalid(
                f"Expected {size * dtype.itemsize} bytes of tensor content for {dtype} of shape "
                f"{list(shape)}. Received: {len(content)}"
            )
        values = np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype)
    else:
        elements = getattr(proto, _TYPES[proto.dtype][2])
        is_half = proto.dtype == 19  # float16 values are sent as their bits
        values = np.array(list(elements), np.uint16 if is_half else dtype).view(dtype)
    if 0 < len(values) < size:
        if size > MAX_FILLED:
            raise invalid(
                f"Expected at most {MAX_FILLED} elements if one value fills a tensor. "
                f"Received: {size}"
            )
        values = np.concatenate([values, np.repeat(values[-1:], size - len(values))])
    if len(values) != size:
        raise invalid(f"Expected {size} values for shape {list(shape)}. Received: {len(values)}")
    return values.reshape(shape)
