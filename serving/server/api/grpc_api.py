"""TF Serving's gRPC API: PredictionService and ModelService."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePath
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server.api.classify_regress import (
    Examples,
    check_classification,
    check_regression,
    examples_of,
    fill_classification,
    fill_regression,
)
from serving.server.api.limits import Limits, TokenInterceptor
from serving.server.models import Models
from serving.server.policy import configs_of
from serving.server.saved_model import SavedModel
from serving.server.served_model import Target
from serving.wire.errors import Code, ServingError, invalid
from serving.wire.names import (
    CLASSIFY,
    DEFAULT_SIGNATURE,
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    REGRESS,
)
from serving.wire.tensors import fill_values, to_numpy

FillResult = Callable[[SavedModel, str, Examples, Any], None]

_log = logging.getLogger(__name__)
_UNLIMITED = -1
_LONGEST_MESSAGE = 1024
_INFERENCE_METHODS: Mapping[str, tuple[str, Callable[[Any], None], FillResult]] = {
    CLASSIFY: ("classification_result", check_classification, fill_classification),
    REGRESS: ("regression_result", check_regression, fill_regression),
}
"""The field of an `InferenceResult`, the function that checks the signature and the one that fills
the field, by method of MultiInference."""
_STATUS = {status.value[0]: status for status in grpc.StatusCode}


def server(models: Models, limits: Limits, threads: int) -> grpc.Server:
    """A gRPC server for these models; not bound to a port and not started yet."""
    grpc_server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        interceptors=[TokenInterceptor(limits)] if limits.token else None,
        options=[
            ("grpc.so_reuseport", 0),  # else two servers could share a port unnoticed
            ("grpc.max_receive_message_length", limits.body_bytes),
            ("grpc.max_send_message_length", _UNLIMITED),
        ],
        maximum_concurrent_rpcs=limits.pending,
    )
    for service, methods in _SERVICES.items():
        handlers = {name: _handler(models, name, *method) for name, method in methods.items()}
        handler = grpc.method_handlers_generic_handler(service, handlers)
        grpc_server.add_generic_rpc_handlers([handler])
    return grpc_server


def status_of(models: Models, target: Target) -> Any:
    """A `GetModelStatusResponse`."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in models.status(target):
        entry = response.model_version_status.add(version=version.number, state=version.state)
        entry.status.error_code = version.code
        entry.status.error_message = version.message
    return response


def metadata_of(models: Models, target: Target) -> tuple[Any, Any]:
    """The `ModelSpec` and the `SignatureDefMap` of a version."""
    with models.use(target) as (version, model):
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for signature, definition in model.all_signatures.items():
            signatures.signature_def[signature].CopyFrom(definition)
        return _spec(target, version, ""), signatures


def _handler(
    models: Models, api: str, request_class: Any, work: Callable[[Models, Any], Any]
) -> grpc.RpcMethodHandler:
    """The handler of one method. It parses requests itself: gRPC leaks memory if it cannot."""

    def handle(encoded: bytes, context: grpc.ServicerContext) -> Any:
        start, name, code, message = time.perf_counter(), "", Code.OK, ""
        response = None
        try:
            request = request_class.FromString(encoded)
            name = models.metric_label(_spec_of(request).name)
            response = work(models, request)
        except ServingError as error:
            code, message = error.code, error.message
        except DecodeError as error:
            code = Code.INVALID_ARGUMENT
            message = f"Expected a {request_class.DESCRIPTOR.name}: {error}"
        except Exception as error:
            _log.exception("%s", api)
            code, message = Code.INTERNAL, repr(error)
        models.monitoring.count_request(name, api, "GRPC", code, time.perf_counter() - start)
        if code is not Code.OK:
            context.abort(_STATUS[code], _cut(message))
        return response

    return grpc.unary_unary_rpc_method_handler(handle, None, lambda m: m.SerializeToString())


def _cut(message: str) -> str:
    """A message that fits into a header, as TF Serving cuts it."""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return message[:_LONGEST_MESSAGE] + "...TRUNCATED"


def _spec_of(request: Any) -> Any:
    """The `ModelSpec` of any request; an empty one if it has none."""
    if isinstance(request, inference_pb2.MultiInferenceRequest):
        return request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
    return getattr(request, "model_spec", None) or model_pb2.ModelSpec()


def _predict(models: Models, request: Any) -> Any:
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    with models.use(target := _target(request)) as (version, model):
        inputs = {key: _tensor(key, tensor) for key, tensor in request.inputs.items()}
        outputs = model.predict(signature, inputs, tuple(request.output_filter))
    response = predict_pb2.PredictResponse()
    response.model_spec.CopyFrom(_spec(target, version, signature))
    for key, array in outputs.items():
        fill_values(response.outputs[key], array)
    return response


def _tensor(name: str, proto: Any) -> np.ndarray:
    try:
        return to_numpy(proto)
    except ServingError as error:
        raise invalid(f"tensor parsing error: {name}: {error.message}") from None


def _infer(response_class: Any, fill_result: FillResult, models: Models, request: Any) -> Any:
    response, signature = response_class(), request.model_spec.signature_name
    with models.use(target := _target(request)) as (version, model):
        fill_result(model, signature, lambda: examples_of(request.input), response.result)
    response.model_spec.CopyFrom(_spec(target, version, signature or DEFAULT_SIGNATURE))
    return response


def _multi_inference(models: Models, request: Any) -> Any:
    response = inference_pb2.MultiInferenceResponse()
    with models.use(target := _target_of(_spec_of(request))) as (version, model):
        signatures = _signatures_of(model, request.tasks)
        examples = examples_of(request.input)
        for task, signature in zip(request.tasks, signatures, strict=True):
            field, _, fill_result = _INFERENCE_METHODS[task.method_name]
            result = response.results.add()
            result.model_spec.CopyFrom(_spec(target, version, signature))
            fill_result(model, signature, lambda: examples, getattr(result, field))
    return response


def _signatures_of(model: SavedModel, tasks: Sequence[Any]) -> list[str]:
    """The signature of each task of a `MultiInferenceRequest`. Raises ServingError."""
    signatures: list[str] = []
    for task in tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != tasks[0].model_spec.name:
            raise invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        signature = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if signature in signatures:
            raise invalid(f"Duplicate evaluation of signature: {signature}")
        if signature not in model.signatures:
            raise invalid(f"Requested signature not found in model graph: {signature}")
        if task.method_name not in _INFERENCE_METHODS:
            message = f"Unsupported signature method_name: {task.method_name}"
            raise ServingError(Code.UNIMPLEMENTED, message)
        _, check, _ = _INFERENCE_METHODS[task.method_name]
        check(model.signatures[signature])
        signatures.append(signature)
    return signatures


def _metadata(models: Models, request: Any) -> Any:
    target = _target(request)
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid(f"Metadata field {field} is not supported")
    spec, signatures = metadata_of(models, target)
    response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=spec)
    response.metadata["signature_def"].Pack(signatures)
    return response


def _status(models: Models, request: Any) -> Any:
    spec = _spec_in(request)
    version = spec.version.value if spec.HasField("version") else None
    return status_of(models, Target(spec.name, version))


def _reload(models: Models, request: Any) -> Any:
    if request.config.WhichOneof("config") != "model_config_list":
        message = (
            "Cannot transition to requested config. It is only legal to transition from one "
            "ModelConfigList to another."
        )
        raise ServingError(Code.FAILED_PRECONDITION, message)
    for entry in request.config.model_config_list.config:
        if not PurePath(entry.base_path).is_absolute():
            raise invalid(
                f"Expected model {entry.name} to have an absolute path or URI; "
                f"got base_path()={entry.base_path}"
            )
    models.reload(configs_of(request.config))
    return model_management_pb2.ReloadConfigResponse()


_SERVICES: Mapping[str, Mapping[str, tuple[Any, Callable[[Models, Any], Any]]]] = {
    PREDICTION_SERVICE: {
        "Predict": (predict_pb2.PredictRequest, _predict),
        "Classify": (
            classification_pb2.ClassificationRequest,
            partial(_infer, classification_pb2.ClassificationResponse, fill_classification),
        ),
        "Regress": (
            regression_pb2.RegressionRequest,
            partial(_infer, regression_pb2.RegressionResponse, fill_regression),
        ),
        "MultiInference": (inference_pb2.MultiInferenceRequest, _multi_inference),
        "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, _metadata),
    },
    MODEL_SERVICE: {
        "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, _status),
        "HandleReloadConfigRequest": (model_management_pb2.ReloadConfigRequest, _reload),
    },
}


def _spec_in(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def _target(request: Any) -> Target:
    """The model and version that a request names."""
    return _target_of(_spec_in(request))


def _target_of(spec: Any) -> Target:
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    version = spec.version.value if spec.HasField("version") else None
    return Target(spec.name, version, spec.version_label or None)


def _spec(target: Target, version: int, signature: str) -> Any:
    spec = model_pb2.ModelSpec(name=target.name, signature_name=signature)
    spec.version.value = version
    return spec
