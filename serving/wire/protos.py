"""The messages of TensorFlow and TF Serving that a client needs, without importing TensorFlow.

`tensorflow_serving.apis` imports TensorFlow, which takes seconds. The messages here have the same
fields and numbers, so their encoding is the same. They are in a separate descriptor pool, so both
kinds can be used in one process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from serving.wire.tensors import fill

_PACKAGE = "rootstock.wire"
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = dict(_FIELD.Type.items())

# Enumerations are int32: the encoding is the same. `*` is a repeated field, `%` a map from string.
_MESSAGES = {
    "Dim": "int64 size=1; string name=2",
    "TensorShapeProto": "*Dim dim=2; bool unknown_rank=3",
    "TensorProto": (
        "int32 dtype=1; TensorShapeProto tensor_shape=2; int32 version_number=3; "
        "bytes tensor_content=4; *float float_val=5; *double double_val=6; *int32 int_val=7; "
        "*bytes string_val=8; *float scomplex_val=9; *int64 int64_val=10; *bool bool_val=11; "
        "*double dcomplex_val=12; *int32 half_val=13; *uint32 uint32_val=16; *uint64 uint64_val=17"
    ),
    "ModelSpec": (
        "string name=1; google.protobuf.Int64Value version=2; string signature_name=3; "
        "string version_label=4"
    ),
    "PredictRequest": "ModelSpec model_spec=1; %TensorProto inputs=2; *string output_filter=3",
    "PredictResponse": "%TensorProto outputs=1; ModelSpec model_spec=2",
    "StatusProto": "int32 error_code=1; string error_message=2",
    "ModelVersionStatus": "int64 version=1; int32 state=2; StatusProto status=3",
    "GetModelStatusRequest": "ModelSpec model_spec=1",
    "GetModelStatusResponse": "*ModelVersionStatus model_version_status=1",
    "BytesList": "*bytes value=1",
    "FloatList": "*float value=1",
    "Int64List": "*int64 value=1",
    "Feature": "BytesList bytes_list=1; FloatList float_list=2; Int64List int64_list=3",
    "Features": "%Feature feature=1",
    "Example": "Features features=1",
    "TensorInfo": "string name=1; int32 dtype=2; TensorShapeProto tensor_shape=3",
    "SignatureDef": "%TensorInfo inputs=1; %TensorInfo outputs=2; string method_name=3",
    "SignatureDefMap": "%SignatureDef signature_def=1",
    "GetModelMetadataRequest": "ModelSpec model_spec=1; *string metadata_field=2",
    "GetModelMetadataResponse": "ModelSpec model_spec=1; %google.protobuf.Any metadata=2",
}


def _add_field(message: descriptor_pb2.DescriptorProto, declaration: str) -> None:
    """Add one field, declared as `type name=number`, to a message."""
    type_name, rest = declaration.split()
    name, number = rest.split("=")
    field = message.field.add(name=name, number=int(number), label=_FIELD.LABEL_OPTIONAL)
    if type_name[0] in "*%":
        field.label = _FIELD.LABEL_REPEATED
    if type_name[0] == "%":
        entry = message.nested_type.add(name=name.title().replace("_", "") + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "string key=1")
        _add_field(entry, f"{type_name[1:]} value=2")
        type_name = f"{_PACKAGE}.{message.name}.{entry.name}"
    type_name = type_name.removeprefix("*")
    if (scalar := f"TYPE_{type_name.upper()}") in _SCALARS:
        field.type = _SCALARS[scalar]
    else:
        field.type = _FIELD.TYPE_MESSAGE
        field.type_name = f".{type_name}" if "." in type_name else f".{_PACKAGE}.{type_name}"


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="rootstock/wire.proto", package=_PACKAGE, syntax="proto3"
    )
    pool = descriptor_pool.DescriptorPool()
    for imported in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(imported.DESCRIPTOR.serialized_pb)
        file.dependency.append(imported.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for declaration in fields.split(";"):
            _add_field(message, declaration)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_classes = _build()
Example: Any = _classes["Example"]
TensorProto: Any = _classes["TensorProto"]
PredictRequest: Any = _classes["PredictRequest"]
GetModelStatusRequest: Any = _classes["GetModelStatusRequest"]
GetModelMetadataRequest: Any = _classes["GetModelMetadataRequest"]
SignatureDefMap: Any = _classes["SignatureDefMap"]


def response_class(method: str) -> Any:
    """The message that a method responds with."""
    return _classes[f"{method}Response"]


def predict_request(model: str, inputs: Mapping[str, np.ndarray]) -> Any:
    """A PredictRequest for the default signature and the newest version of a model."""
    request = PredictRequest()
    request.model_spec.name = model
    for name, array in inputs.items():
        fill(request.inputs[name], array)
    return request
