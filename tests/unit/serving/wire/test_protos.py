"""Our messages against the generated ones of TensorFlow and TF Serving."""

from typing import Any

import pytest

from serving.wire import protos


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
