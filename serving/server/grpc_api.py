"""TF Serving's gRPC API: PredictionService and ModelService."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.errors import Code, ServingError, invalid
from serving.server import inference
from serving.server.access import Limits, TokenInterceptor
from serving.server.models import Models, Target
from serving.server.policy import configs_of
from serving.server.saved_model import DEFAULT_SIGNATURE
from serving.tensors import fill, to_numpy

_log = logging.getLogger(__name__)
_UNLIMITED = -1
_STATUS = {status.value[0]: status for status in grpc.StatusCode}


def server(models: Models, limits: Limits, threads: int) -> grpc.Server:
    """A gRPC server that answers for these models; not bound to a port and not started yet."""
    made = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        interceptors=[TokenInterceptor(limits)] if limits.token else None,
        options=[
            ("grpc.so_reuseport", 0),  # else two servers share a port in silence
            ("grpc.max_receive_message_length", limits.body_bytes),
            ("grpc.max_send_message_length", _UNLIMITED),
        ],
        maximum_concurrent_rpcs=limits.pending,
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(models), made
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(models), made)
    return made


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
        for signature, definition in model.signatures.items():
            signatures.signature_def[signature].CopyFrom(definition)
        return _spec(target, version, ""), signatures


class _Service:
    def __init__(self, models: Models) -> None:
        self._models = models

    def _answer(
        self, api: str, spec: Any, context: grpc.ServicerContext, work: Callable[[], Any]
    ) -> Any:
        """Do the work of a call, or end it with the code and message of a `ServingError`."""
        began, name = time.perf_counter(), self._models.known(spec.name)
        tell = self._models.monitoring.answered
        try:
            response = work()
        except ServingError as error:
            tell(name, api, "GRPC", error.code, time.perf_counter() - began)
            context.abort(_STATUS[error.code], error.message)
        except Exception as error:
            _log.exception("%s", api)
            tell(name, api, "GRPC", Code.INTERNAL, time.perf_counter() - began)
            context.abort(grpc.StatusCode.INTERNAL, repr(error))
        tell(name, api, "GRPC", Code.OK, time.perf_counter() - began)
        return response


class _PredictionService(_Service, prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._answer("Predict", request.model_spec, context, lambda: self._predict(request))

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:
        def work() -> Any:
            signature = request.model_spec.signature_name
            response = classification_pb2.ClassificationResponse()
            with self._models.use(target := _target(request.model_spec)) as (version, model):
                found = inference.classify(model, signature, inference.examples_of(request.input))
            inference.fill_classes(response.result, found)
            response.model_spec.CopyFrom(_spec(target, version, signature))
            return response

        return self._answer("Classify", request.model_spec, context, work)

    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:
        def work() -> Any:
            signature = request.model_spec.signature_name
            response = regression_pb2.RegressionResponse()
            with self._models.use(target := _target(request.model_spec)) as (version, model):
                found = inference.regress(model, signature, inference.examples_of(request.input))
            inference.fill_values(response.result, found)
            response.model_spec.CopyFrom(_spec(target, version, signature))
            return response

        return self._answer("Regress", request.model_spec, context, work)

    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> Any:
        spec = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        return self._answer("MultiInference", spec, context, lambda: self._multi_inference(request))

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        def work() -> Any:
            if not request.metadata_field:
                raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
            for field in request.metadata_field:
                if field != "signature_def":
                    raise invalid(f"Metadata field {field} is not supported")
            spec, signatures = metadata_of(self._models, _target(request.model_spec))
            response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=spec)
            response.metadata["signature_def"].Pack(signatures)
            return response

        return self._answer("GetModelMetadata", request.model_spec, context, work)

    def _predict(self, request: Any) -> Any:
        signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
        with self._models.use(target := _target(request.model_spec)) as (version, model):
            inputs = {key: to_numpy(tensor) for key, tensor in request.inputs.items()}
            outputs = model.predict(signature, inputs, tuple(request.output_filter))
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(_spec(target, version, signature))
        for key, array in outputs.items():
            fill(response.outputs[key], array)
        return response

    def _multi_inference(self, request: Any) -> Any:
        if not request.tasks:
            raise invalid("Inference request must have at least one task.")
        first = request.tasks[0].model_spec
        signatures = [task.model_spec.signature_name for task in request.tasks]
        if any(t.model_spec.name != first.name for t in request.tasks):
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model")
        if len(set(signatures)) < len(signatures):
            raise invalid(f"Duplicate evaluation of signature: {signatures}")
        examples = inference.examples_of(request.input)
        response = inference_pb2.MultiInferenceResponse()
        with self._models.use(target := _target(first)) as (version, model):
            for task, signature in zip(request.tasks, signatures, strict=True):
                if task.method_name not in inference.METHODS:
                    raise invalid(f"Unsupported signature method_name: {task.method_name}")
                result = response.results.add()
                result.model_spec.CopyFrom(_spec(target, version, signature))
                inference.METHODS[task.method_name](model, signature, examples, result)
        return response


class _ModelService(_Service, model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._answer(
            "GetModelStatus",
            request.model_spec,
            context,
            lambda: status_of(self._models, _target(request.model_spec)),
        )

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:
        def work() -> Any:
            self._models.reload(configs_of(request.config))
            return model_management_pb2.ReloadConfigResponse()

        return self._answer("HandleReloadConfigRequest", model_pb2.ModelSpec(), context, work)


def _target(spec: Any) -> Target:
    """The model and version that a `ModelSpec` names."""
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    version = spec.version.value if spec.HasField("version") else None
    return Target(spec.name, version, spec.version_label or None)


def _spec(target: Target, version: int, signature: str) -> Any:
    spec = model_pb2.ModelSpec(name=target.name, signature_name=signature)
    spec.version.value = version
    return spec
