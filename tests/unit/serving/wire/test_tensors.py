"""Arrays in our TensorProto against TensorFlow's own, byte for byte."""

from typing import Any

import numpy as np
import pytest

from serving.wire import protos, tensors
from serving.wire.errors import Code, ServingError

ARRAYS = [
    np.arange(6, dtype=numpy).reshape(2, 3)
    for numpy in ("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
] + [
    np.array([[True], [False]]),
    np.array([b"a", b"\xff\x00", b""], object),
    np.zeros((0, 4), np.float32),
    np.float32(3.5).reshape(()),
    np.arange(12, dtype=np.float32).reshape(3, 4).T,
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{list(a.shape)}")
def test_arrays_pass_between_tensorflow_and_us(array: np.ndarray) -> None:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    ours = protos.TensorProto()
    tensors.fill(ours, array)
    theirs = tensor_pb2.TensorProto.FromString(ours.SerializeToString())
    np.testing.assert_array_equal(tf.make_ndarray(theirs), array)
    for proto in (theirs, tf.make_tensor_proto(array)):
        wire = protos.TensorProto.FromString(proto.SerializeToString())
        read = tensors.to_numpy(wire)
        np.testing.assert_array_equal(read, array)
        assert read.shape == array.shape
        assert array.dtype == object or read.dtype == array.dtype


@pytest.mark.parametrize("numpy", ["f4", "f8", "f2", "i4", "i8", "u1", "u4", "u8", "?"])
def test_lists_of_values_are_read(numpy: str) -> None:
    proto = protos.TensorProto(dtype=tensors.data_type(np.zeros(0, numpy)))
    proto.tensor_shape.dim.add(size=3)
    field = getattr(proto, tensors._TYPES[proto.dtype][2])
    field.extend(np.array([1, 0], numpy).view("u2" if numpy == "f2" else numpy).tolist())
    np.testing.assert_array_equal(tensors.to_numpy(proto), np.array([1, 0, 0], numpy))


def test_text_is_utf8() -> None:
    proto = protos.TensorProto()
    tensors.fill(proto, np.array(["ä"]))
    assert tensors.to_numpy(proto).tolist() == ["ä".encode()]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dtype": 8}, "DT_8 are not supported"),
        ({"dtype": 1, "tensor_content": b"12"}, r"Expected 12 bytes .* Received: 2"),
        ({"dtype": 1, "float_val": [1, 2, 3, 4]}, "Expected 3 values"),
        ({"dtype": 1}, "Expected 3 values"),
        ({"dtype": 7}, "Expected 3 values"),
    ],
)
def test_malformed_tensors_are_refused(fields: dict[str, Any], message: str) -> None:
    proto = protos.TensorProto(**fields)
    proto.tensor_shape.dim.add(size=3)
    with pytest.raises(ServingError, match=message) as caught:
        tensors.to_numpy(proto)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_complex_numbers_cannot_be_sent() -> None:
    with pytest.raises(ServingError, match="complex128 cannot be sent"):
        tensors.data_type(np.zeros(1, complex))
