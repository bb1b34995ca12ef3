"""Arrays in our TensorProto against TensorFlow's own, byte for byte."""

import random
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from serving.wire import protos, tensors
from serving.wire.errors import Code, ServingError

ARRAYS = [
    np.arange(6, dtype=numpy).reshape(2, 3)
    for numpy in ("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "c8", "c16")
] + [
    np.arange(6, dtype=ml_dtypes.bfloat16).reshape(2, 3),
    np.array([[200], [255]], np.uint8),
    np.array([-1, 2**31 - 1, -(2**31)], np.int32),
    np.linspace(-1, 1, 1000, dtype=np.float32),
    np.arange(500) % 3 == 0,
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

    messages = [tf.make_tensor_proto(array)]
    for fill in (tensors.fill, tensors.fill_values):
        ours = protos.TensorProto()
        fill(ours, array)
        theirs = tensor_pb2.TensorProto.FromString(ours.SerializeToString())
        np.testing.assert_array_equal(tf.make_ndarray(theirs), array)
        messages.append(theirs)
    assert not messages[-1].tensor_content
    for proto in messages:
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
        ({"dtype": 20}, "DT_20 are not supported"),
        ({"dtype": 1, "tensor_content": b"12"}, r"Expected 12 bytes .* Received: 2"),
        ({"dtype": 10, "tensor_content": b"\0\1\7"}, "Expected only 0 and 1"),
        ({"dtype": 7, "tensor_content": b"\1\1\1ab"}, "to have the lengths it names"),
    ],
)
def test_malformed_tensors_are_refused(fields: dict[str, Any], message: str) -> None:
    proto = protos.TensorProto(**fields)
    proto.tensor_shape.dim.add(size=3)
    with pytest.raises(ServingError, match=message) as caught:
        tensors.to_numpy(proto)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_other_types_cannot_be_sent() -> None:
    with pytest.raises(ServingError, match=r"datetime64.* cannot be sent"):
        tensors.data_type(np.zeros(1, "M8[s]"))


def test_any_message_is_read_as_tensorflow_reads_it() -> None:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    generator = random.Random(0)
    for _ in range(300):
        number = generator.choice(sorted(tensors._TYPES))
        proto = tensor_pb2.TensorProto(dtype=number)
        for _ in range(generator.randrange(3)):
            proto.tensor_shape.dim.add(size=generator.randrange(4))
        field = tensors._TYPES[number][2]
        values: list[Any] = [generator.randrange(300) for _ in range(generator.randrange(8))]
        if number == tensors.STRING:
            values = [b"x" * (value % 5) for value in values]
        getattr(proto, field).extend([value % 2 for value in values] if number == 10 else values)
        expected = tf.io.parse_tensor(proto.SerializeToString(), tf.as_dtype(number)).numpy()
        np.testing.assert_array_equal(tensors.to_numpy(proto), expected, str(proto))
