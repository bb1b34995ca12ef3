"""TF Serving's gRPC API: PredictionService.Predict and GetModelMetadata, ModelService's status."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.errors import ServingError, invalid
from serving.server.models import Models
from serving.server.saved_model import DEFAULT_SIGNATURE
from serving.tensors import fill, to_numpy

_UNLIMITED = -1
_STATUS = {status.value[0]: status for status in grpc.StatusCode}


def server(models: Models, threads: int) -> grpc.Server:
    """A gRPC server that answers for these models; not bound to a port and not started yet."""
    made = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        options=[
            ("grpc.so_reuseport", 0),  # else two servers share a port in silence
            ("grpc.max_receive_message_length", _UNLIMITED),
            ("grpc.max_send_message_length", _UNLIMITED),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(models), made
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(models), made)
    return made


def status_of(models: Models, name: str, number: int | None) -> Any:
    """A `GetModelStatusResponse`."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in models.status(name, number):
        entry = response.model_version_status.add(version=version.number, state=version.state)
        entry.status.error_code = version.code
        entry.status.error_message = version.message
    return response


def metadata_of(models: Models, name: str, number: int | None) -> tuple[Any, Any]:
    """The `ModelSpec` and the `SignatureDefMap` of a version."""
    with models.use(name, number) as (version, model):
        spec = model_pb2.ModelSpec(name=name)
        spec.version.value = version
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for signature, definition in model.signatures.items():
            signatures.signature_def[signature].CopyFrom(definition)
        return spec, signatures


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    def __init__(self, models: Models) -> None:
        self._models = models

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _answering(context):
            name, number = _target(request.model_spec)
            signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
            with self._models.use(name, number) as (version, model):
                inputs = {key: to_numpy(tensor) for key, tensor in request.inputs.items()}
                outputs = model.predict(signature, inputs, tuple(request.output_filter))
            response = predict_pb2.PredictResponse()
            response.model_spec.name = name
            response.model_spec.version.value = version
            response.model_spec.signature_name = signature
            for key, array in outputs.items():
                fill(response.outputs[key], array)
            return response

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _answering(context):
            if not request.metadata_field:
                raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
            for field in request.metadata_field:
                if field != "signature_def":
                    raise invalid(f"Metadata field {field} is not supported")
            spec, signatures = metadata_of(self._models, *_target(request.model_spec))
            response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=spec)
            response.metadata["signature_def"].Pack(signatures)
            return response


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    def __init__(self, models: Models) -> None:
        self._models = models

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _answering(context):
            return status_of(self._models, *_target(request.model_spec))


def _target(spec: Any) -> tuple[str, int | None]:
    """The model and version that a `ModelSpec` names."""
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    if spec.version_label:
        raise invalid(f"Unrecognized servable version label: {spec.version_label}")
    return spec.name, spec.version.value if spec.HasField("version") else None


@contextmanager
def _answering(context: grpc.ServicerContext) -> Iterator[None]:
    """End the call with the code and message of a `ServingError`."""
    try:
        yield
    except ServingError as error:
        context.abort(_STATUS[error.code], error.message)
