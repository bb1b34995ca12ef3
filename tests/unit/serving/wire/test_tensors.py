"""Our messages and arrays against TensorFlow's own, byte for byte."""

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
def test_tensorflow_reads_what_we_write_and_we_what_it_writes(array: np.ndarray) -> None:
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
def test_single_values_as_tf_serving_answers_them(numpy: str) -> None:
    proto = protos.TensorProto(dtype=tensors.data_type(np.zeros(0, numpy)))
    proto.tensor_shape.dim.add(size=3)
    field = getattr(proto, tensors._NUMBERS[proto.dtype][2])
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
def test_broken_tensors_are_refused(fields: dict[str, Any], message: str) -> None:
    proto = protos.TensorProto(**fields)
    proto.tensor_shape.dim.add(size=3)
    with pytest.raises(ServingError, match=message) as caught:
        tensors.to_numpy(proto)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_complex_numbers_cannot_be_sent() -> None:
    with pytest.raises(ServingError, match="complex128 cannot be sent"):
        tensors.data_type(np.zeros(1, complex))


def _real_messages() -> dict[str, Any]:
    from tensorflow.core.example import example_pb2, feature_pb2
    from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_pb2,
        predict_pb2,
        status_pb2,
    )

    modules = (
        example_pb2, feature_pb2, tensor_pb2, tensor_shape_pb2, meta_graph_pb2,
        get_model_metadata_pb2, get_model_status_pb2, model_pb2, predict_pb2, status_pb2,
    )  # fmt: skip
    real = {name: m for module in modules for name, m in vars(module).items()}
    return {**real, "Dim": tensor_shape_pb2.TensorShapeProto.Dim}


@pytest.mark.parametrize("name", sorted(protos._MESSAGES))
def test_fields_have_the_numbers_and_types_of_the_real_ones(name: str) -> None:
    ours, real = protos._classes[name].DESCRIPTOR, _real_messages()[name].DESCRIPTOR
    for field in ours.fields:
        theirs = real.fields_by_name[field.name]
        assert field.number == theirs.number
        assert field.is_repeated == theirs.is_repeated
        enumeration = theirs.type == theirs.TYPE_ENUM
        assert field.type == (field.TYPE_INT32 if enumeration else theirs.type)
        if field.message_type:
            assert field.message_type.GetOptions().map_entry == (
                theirs.message_type.GetOptions().map_entry
            )
