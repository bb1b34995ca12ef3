"""Malformed requests over REST and gRPC, made at random from a good one."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.checks.arguments import rows_of
from serving.client.rest_transport import predict_body
from serving.wire import protos
from serving.wire.names import DEFAULT_SIGNATURE, PREDICTION_SERVICE
from serving.wire.tensors import fill

_METHODS = ("Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata")
_NUMBERS = (0, -1, 2**63, -(2**70), 1e308)
_VALUES: tuple[Any, ...] = (None, True, False, *_NUMBERS, "", "text", "\ud800", {}, [], [[]])
_HUGE = 2_000_000


@dataclass(frozen=True)
class MalformedRequest:
    """kind: what is wrong. method: of HTTP, or the full gRPC method. path: empty for gRPC."""

    kind: str
    method: str
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class MalformedRequests:
    """Makes requests for one model; the same ones for the same seed."""

    def __init__(self, model: str, inputs: Mapping[str, np.ndarray], seed: int) -> None:
        """inputs: of a good request."""
        self._model, self._random = model, random.Random(seed)
        self._body = predict_body(DEFAULT_SIGNATURE, inputs)
        self._message = protos.predict_request(model, inputs)
        self._encoded = self._message.SerializeToString()
        self._kinds: tuple[Callable[[], MalformedRequest], ...] = (
            lambda: self._rest("cut JSON", self._cut(self._body)),
            lambda: self._rest("flipped JSON", self._flipped(self._body)),
            self._swapped_value,
            self._bad_base64,
            self._unknown_target,
            self._odd_path,
            self._odd_headers,
            lambda: self._grpc("cut message", self._cut(self._encoded, 1)),
            lambda: self._grpc("flipped message", self._flipped(self._encoded)),
            self._wrong_tensor,
            self._unknown_spec,
        )

    def next(self) -> MalformedRequest:
        """The next request; one in 500 is huge."""
        if self._random.random() < 0.002:
            return self._rest("huge body", b"[" * _HUGE)
        return self._random.choice(self._kinds)()

    def _rest(
        self, kind: str, body: bytes, path: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> MalformedRequest:
        path = path or f"/v1/models/{self._model}:predict"
        return MalformedRequest(kind, "POST", path, body, headers)

    def _swapped_value(self) -> MalformedRequest:
        """Replace a value anywhere in the request."""
        document = json.loads(self._body)
        document.setdefault("signature_name", "")
        if self._random.random() < 0.4:
            document["instances"] = rows_of(document.pop("inputs"))
        _replace(document, self._random, self._random.choice(_VALUES))
        method = self._random.choice((":predict", ":predict", ":classify", ":regress"))
        path = f"/v1/models/{self._model}{method}"
        return self._rest("other value", json.dumps(document).encode(), path)

    def _bad_base64(self) -> MalformedRequest:
        text = base64.b64encode(self._random.randbytes(30)).decode()
        value = {"b64": text[:-1] + self._random.choice("*\u00e9\n=")}
        document = {"inputs": value if self._random.random() < 0.5 else {"x": [value, value]}}
        return self._rest("bad base64", json.dumps(document).encode())

    def _unknown_target(self) -> MalformedRequest:
        version = self._random.randrange(10**6, 2**70)
        targets = ("nobody", f"{self._model}/versions/{version}", f"{self._model}/labels/nobody")
        path = f"/v1/models/{self._random.choice(targets)}:predict"
        return self._rest("unknown target", self._body, path)

    def _odd_path(self) -> MalformedRequest:
        characters = "/:%.?#aV1\u00e9 "
        tail = "".join(self._random.choices(characters, k=self._random.randrange(1, 30)))
        path = self._random.choice(("/", "/v1", "/v1/models", f"/v1/models/{self._model}")) + tail
        quoted = path.encode("ascii", "ignore").decode().replace(" ", "%20").replace("#", "%23")
        method = self._random.choice(("GET", "POST", "PUT", "DELETE"))
        return MalformedRequest("odd path", method, quoted, b"{}")

    def _odd_headers(self) -> MalformedRequest:
        compressed = gzip.compress(self._body, mtime=0)
        body, header, value = self._random.choice(
            (
                (self._cut(compressed), "Content-Encoding", "gzip"),
                (self._flipped(compressed), "Content-Encoding", "gzip"),
                (self._body, "Content-Encoding", "gzip"),
                (self._body, "Content-Encoding", "br"),
                (compressed, "Content-Type", "image/png"),
            )
        )
        return self._rest("odd headers", body, headers=((header, value),))

    def _wrong_tensor(self) -> MalformedRequest:
        request = protos.PredictRequest()
        request.CopyFrom(self._message)
        name = self._random.choice(sorted(request.inputs))
        tensor = request.inputs[name]
        change = self._random.randrange(6)
        if change == 0:
            tensor.dtype = self._random.randrange(0, 40)
        elif change == 1:
            tensor.tensor_shape.dim.add().size = self._random.choice((-1, 0, 3, 2**40, -(2**60)))
        elif change == 2:
            tensor.tensor_shape.unknown_rank = True
        elif change == 3:
            del request.inputs[name]
        elif change == 4:
            fill(request.inputs["nobody"], np.zeros((1, 2), "float32"))
        else:
            tensor.tensor_content = self._random.randbytes(self._random.randrange(9))
        return self._grpc("wrong tensor", request.SerializeToString(), "Predict")

    def _unknown_spec(self) -> MalformedRequest:
        request = protos.PredictRequest()
        request.CopyFrom(self._message)
        spec = request.model_spec
        change = self._random.randrange(4)
        if change == 0:
            spec.name = self._random.choice(("", "nobody", "a/b", "x" * 5000))
        elif change == 1:
            spec.version.value = self._random.choice((-1, 0, 10**9, 2**62))
        elif change == 2:
            spec.version_label = "nobody"
        else:
            spec.signature_name = "nobody"
        return self._grpc("unknown target", request.SerializeToString())

    def _grpc(self, kind: str, body: bytes, method: str = "") -> MalformedRequest:
        method = method or self._random.choice(_METHODS)
        return MalformedRequest(kind, f"/{PREDICTION_SERVICE}/{method}", "", body)

    def _cut(self, body: bytes, least: int = 0) -> bytes:
        return body[: self._random.randrange(least, len(body))]

    def _flipped(self, body: bytes) -> bytes:
        flipped = bytearray(body)
        for _ in range(self._random.randrange(1, 5)):
            flipped[self._random.randrange(len(flipped))] = self._random.randrange(256)
        return bytes(flipped)


def _replace(node: Any, generator: random.Random, value: Any) -> None:
    """Put `value` at a random place in a document of objects and lists."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    if not keys:
        return
    key = generator.choice(list(keys))
    if isinstance(node[key], dict | list) and node[key] and generator.random() < 0.7:
        _replace(node[key], generator, value)
    else:
        node[key] = value
