"""Call a model through TF Serving's gRPC API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from serving.client.transport import Endpoint, Signature, TensorSpec, Transport, VersionStatus
from serving.wire import protos
from serving.wire.errors import Code, ServingError
from serving.wire.names import MODEL_SERVICE, PREDICTION_SERVICE, State
from serving.wire.tensors import to_numpy

_STATES = {state.value: state.name for state in State}
_UNLIMITED = -1


class GrpcTransport(Transport):
    """Keeps one channel open."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._url = f"{'grpcs' if endpoint.secure else 'grpc'}://{endpoint.address}"
        options = [(f"grpc.max_{way}_message_length", _UNLIMITED) for way in ("receive", "send")]
        if endpoint.secure:
            credentials = grpc.ssl_channel_credentials(endpoint.ca and endpoint.ca.read_bytes())
            self._channel = grpc.secure_channel(endpoint.address, credentials, options)
        else:
            self._channel = grpc.insecure_channel(endpoint.address, options)
        if endpoint.token and not endpoint.token.isascii():
            raise ValueError("gRPC sends tokens of ASCII characters only. Use http:// or https://.")
        self._metadata = [("authorization", f"Bearer {endpoint.token}")] if endpoint.token else None

    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        request = protos.predict_request(self._endpoint.model, inputs)
        request.model_spec.signature_name = name
        response = self._call(PREDICTION_SERVICE, "Predict", request)
        return {key: to_numpy(tensor) for key, tensor in response.outputs.items()}

    def status(self) -> list[VersionStatus]:
        response = self._call(MODEL_SERVICE, "GetModelStatus", protos.GetModelStatusRequest())
        return [
            VersionStatus(
                entry.version,
                _STATES.get(entry.state, "UNKNOWN"),
                Code(entry.status.error_code).name,
                entry.status.error_message,
            )
            for entry in response.model_version_status
        ]

    def metadata(self) -> dict[str, Signature]:
        request = protos.GetModelMetadataRequest(metadata_field=["signature_def"])
        response = self._call(PREDICTION_SERVICE, "GetModelMetadata", request)
        signatures = protos.SignatureDefMap.FromString(response.metadata["signature_def"].value)
        return {
            name: Signature(_specs(entry.inputs), _specs(entry.outputs))
            for name, entry in signatures.signature_def.items()
            if not name.startswith("__saved_model_")
        }

    def close(self) -> None:
        self._channel.close()

    def _call(self, service: str, method: str, request: Any) -> Any:
        """The response to a request for the model and version of the endpoint."""
        request.model_spec.name = self._endpoint.model
        if self._endpoint.label is not None:
            request.model_spec.version_label = self._endpoint.label
        elif self._endpoint.version is not None:
            request.model_spec.version.value = self._endpoint.version
        call = self._channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=protos.response_class(method).FromString,
        )
        try:
            return call(request, timeout=self._endpoint.timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            code = Code(error.code().value[0])
            if code is Code.UNAVAILABLE:
                message = f"{self._url} cannot be reached: {error.details()}"
            elif code is Code.DEADLINE_EXCEEDED:
                message = f"{self._url} did not respond within {self._endpoint.timeout_s} s."
            else:
                message = str(error.details())
            raise ServingError(code, message) from None


def _specs(entries: Mapping[str, Any]) -> dict[str, TensorSpec]:
    specs = {}
    for name, entry in entries.items():
        shape = entry.tensor_shape
        sizes = None if shape.unknown_rank else tuple(d.size for d in shape.dim)
        specs[name] = TensorSpec(entry.dtype, sizes)
    return specs
