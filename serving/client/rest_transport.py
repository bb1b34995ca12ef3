"""Call a model through TF Serving's REST API."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.client.transport import Endpoint, Signature, TensorSpec, Transport, VersionStatus
from serving.wire.errors import Code, ServingError
from serving.wire.tensors import STRING, numpy_type, type_number


class RestTransport(Transport):
    """Keeps one connection open. If the server has closed it, it is opened again, once per call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._url = f"{'https' if endpoint.secure else 'http'}://{endpoint.address}"
        self._path = f"/v1/models/{endpoint.model}"
        if endpoint.label is not None:
            self._path += f"/labels/{endpoint.label}"
        elif endpoint.version is not None:
            self._path += f"/versions/{endpoint.version}"
        self._headers: dict[str, str | bytes] = {"Content-Type": "application/json"}
        if endpoint.token is not None:
            self._headers["Authorization"] = f"Bearer {endpoint.token}".encode()
        address, timeout = endpoint.address, endpoint.timeout_s
        self._connection = http.client.HTTPConnection(address, timeout=timeout)
        if endpoint.secure:
            tls = ssl.create_default_context(cafile=endpoint.ca)
            self._connection = http.client.HTTPSConnection(address, timeout=timeout, context=tls)

    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        outputs = self._call("POST", ":predict", predict_body(name, inputs))["outputs"]
        if len(signature.outputs) == 1:  # then its value has no name
            outputs = dict.fromkeys(signature.outputs, outputs)
        types = {key: spec.data_type for key, spec in signature.outputs.items()}
        return {key: _decode(values, types[key]) for key, values in outputs.items()}

    def status(self) -> list[VersionStatus]:
        return [
            VersionStatus(
                int(entry["version"]),
                entry["state"],
                entry["status"]["error_code"],
                entry["status"]["error_message"],
            )
            for entry in self._call("GET", "")["model_version_status"]
        ]

    def metadata(self) -> dict[str, Signature]:
        signatures = self._call("GET", "/metadata")["metadata"]["signature_def"]["signature_def"]
        return {
            name: Signature(_specs(entry["inputs"]), _specs(entry["outputs"]))
            for name, entry in signatures.items()
            if not name.startswith("__saved_model_")
        }

    def close(self) -> None:
        self._connection.close()

    def _call(self, method: str, suffix: str, body: bytes | None = None) -> Any:
        status, response = self._send(method, self._path + suffix, body)
        try:
            document = json.loads(response)
        except ValueError:
            message = f"responded with status {status} and no JSON: is it a model server?"
            raise ServingError(Code.UNKNOWN, f"{self._url} {message}") from None
        if status != 200:
            raise ServingError(Code.of_http(status), str(document.get("error", document)))
        return document

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        fresh = self._connection.sock is None
        try:
            self._connection.request(method, path, body, self._headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except TimeoutError:
            self._connection.close()
            message = f"{self._url} did not respond within {self._connection.timeout} s."
            raise ServingError(Code.DEADLINE_EXCEEDED, message) from None
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if not fresh and isinstance(error, ConnectionError | http.client.BadStatusLine):
                return self._send(method, path, body)
            message = f"{self._url} cannot be reached: {error}"
            raise ServingError(Code.UNAVAILABLE, message) from None


def predict_body(signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """The body of a predict request in column form."""
    columns = {key: _encode(array.tolist()) for key, array in inputs.items()}
    return json.dumps({"signature_name": signature, "inputs": columns}).encode()


def _encode(value: Any) -> Any:
    if isinstance(value, list):
        return [_encode(item) for item in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _decode(values: Any, data_type: int) -> np.ndarray:
    decoded = _bytes(values) if data_type == STRING else values
    return np.array(decoded, dtype=numpy_type(data_type))


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def _specs(entries: Mapping[str, Any]) -> dict[str, TensorSpec]:
    specs = {}
    for name, entry in entries.items():
        shape = entry["tensor_shape"]
        sizes = None if shape["unknown_rank"] else tuple(int(d["size"]) for d in shape["dim"])
        specs[name] = TensorSpec(type_number(entry["dtype"]), sizes)
    return specs
