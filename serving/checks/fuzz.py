"""Malformed requests, any number of them: `python -m serving.checks.fuzz REST_URL GRPC_URL MODEL`.

A server passes if it refuses each with a proper error, and answers a good request all along: over
REST a 4xx, 501 or 503 with `{"error": "…"}` in JSON; over gRPC a status other than OK, UNKNOWN and
INTERNAL. What happens to be a valid request may be answered.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import http.client
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from serving.checks.load import inputs_of, values_of
from serving.client.client import DEFAULT_SIGNATURE, Client
from serving.client.rest_transport import predict_body
from serving.wire import protos
from serving.wire.errors import ServingError
from serving.wire.tensors import fill

_PREDICTION = "/tensorflow.serving.PredictionService"
_METHODS = ("Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata")
_SCALARS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    -(2**70),
    1e308,
    "",
    "text",
    "\ud800",
    {},
    [],
    [[]],
)
_LARGE = 2_000_000
_BETWEEN = 100


@dataclass(frozen=True)
class Case:
    """One malformed request. path: empty for gRPC. method: of HTTP, or the full gRPC method."""

    kind: str
    method: str
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Fuzzer:
    """Makes cases for one model, the same ones for the same seed."""

    def __init__(self, model: str, inputs: Mapping[str, np.ndarray], seed: int) -> None:
        """inputs: of a good request."""
        self._model, self._random = model, random.Random(seed)
        self._body = predict_body(DEFAULT_SIGNATURE, inputs)
        request = protos.PredictRequest()
        request.model_spec.name = model
        for name, values in inputs.items():
            fill(request.inputs[name], values)
        self._message = request
        self._kinds: tuple[Callable[[], Case], ...] = (
            self._cut_json,
            self._flipped_json,
            self._swapped_value,
            self._bad_base64,
            self._unknown_target,
            self._odd_path,
            self._odd_headers,
            self._cut_message,
            self._flipped_message,
            self._wrong_tensor,
            self._unknown_spec,
        )

    def case(self) -> Case:
        """The next one; a huge one now and then."""
        if self._random.random() < 0.002:
            return self._rest("huge body", b"[" * _LARGE)
        return self._random.choice(self._kinds)()

    def _rest(self, kind: str, body: bytes, path: str = "", **headers: str) -> Case:
        path = path or f"/v1/models/{self._model}:predict"
        return Case(kind, "POST", path, body, tuple(headers.items()))

    def _cut_json(self) -> Case:
        return self._rest("cut JSON", self._body[: self._random.randrange(len(self._body))])

    def _flipped_json(self) -> Case:
        return self._rest("flipped JSON", self._flipped(self._body))

    def _swapped_value(self) -> Case:
        """A value anywhere in the request becomes another."""
        document = json.loads(self._body)
        document.setdefault("signature_name", "")
        if self._random.random() < 0.4:
            columns = document.pop("inputs")
            rows = [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
            document["instances"] = rows
        _replace(document, self._random, self._random.choice(_SCALARS))
        method = self._random.choice((":predict", ":predict", ":classify", ":regress"))
        return self._rest(
            "other value", json.dumps(document).encode(), f"/v1/models/{self._model}{method}"
        )

    def _bad_base64(self) -> Case:
        text = base64.b64encode(self._random.randbytes(30)).decode()
        value = {"b64": text[:-1] + self._random.choice("*\u00e9\n=")}
        document = {"inputs": value if self._random.random() < 0.5 else {"x": [value, value]}}
        return self._rest("bad base64", json.dumps(document).encode())

    def _unknown_target(self) -> Case:
        path = self._random.choice(
            (
                "/v1/models/nobody:predict",
                f"/v1/models/{self._model}/versions/{self._random.randrange(10**6, 2**70)}:predict",
                f"/v1/models/{self._model}/labels/nobody:predict",
            )
        )
        return self._rest("unknown target", self._body, path)

    def _odd_path(self) -> Case:
        characters = "/:%.?#aV1\u00e9 "
        tail = "".join(self._random.choices(characters, k=self._random.randrange(1, 30)))
        path = self._random.choice(("/", "/v1", "/v1/models", f"/v1/models/{self._model}")) + tail
        quoted = path.encode("ascii", "ignore").decode().replace(" ", "%20").replace("#", "%23")
        return Case(
            "odd path", self._random.choice(("GET", "POST", "PUT", "DELETE")), quoted, b"{}"
        )

    def _odd_headers(self) -> Case:
        packed = gzip.compress(self._body)
        body, headers = self._random.choice(
            (
                (packed[: self._random.randrange(len(packed))], {"Content-Encoding": "gzip"}),
                (self._flipped(packed), {"Content-Encoding": "gzip"}),
                (self._body, {"Content-Encoding": "gzip"}),
                (self._body, {"Content-Encoding": "br"}),
                (packed, {"Content-Type": "image/png"}),
            )
        )
        return self._rest("odd headers", body, **headers)

    def _cut_message(self) -> Case:
        encoded = self._message.SerializeToString()
        return self._grpc("cut message", encoded[: self._random.randrange(1, len(encoded))])

    def _flipped_message(self) -> Case:
        return self._grpc("flipped message", self._flipped(self._message.SerializeToString()))

    def _wrong_tensor(self) -> Case:
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

    def _unknown_spec(self) -> Case:
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

    def _grpc(self, kind: str, body: bytes, method: str = "") -> Case:
        return Case(kind, f"{_PREDICTION}/{method or self._random.choice(_METHODS)}", "", body)

    def _flipped(self, body: bytes) -> bytes:
        flipped = bytearray(body)
        for _ in range(self._random.randrange(1, 5)):
            flipped[self._random.randrange(len(flipped))] = self._random.randrange(256)
        return bytes(flipped)


def _replace(node: Any, source: random.Random, value: Any) -> None:
    """Put `value` somewhere in a document of objects and lists."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    if not keys:
        return
    key = source.choice(list(keys))
    if isinstance(node[key], dict | list) and node[key] and source.random() < 0.7:
        _replace(node[key], source, value)
    else:
        node[key] = value


class Trial:
    """Sends cases to one server, and says of each what it did."""

    def __init__(self, rest: str, grpc_address: str) -> None:
        """Addresses as `host:port`."""
        self._rest = rest
        self._connection = http.client.HTTPConnection(rest, timeout=60)
        self._channel = grpc.insecure_channel(grpc_address)

    def send(self, case: Case) -> str:
        """The HTTP status or the gRPC code, such as `400` or `INVALID_ARGUMENT`.

        Raises:
            AssertionError: the server does not refuse the case as it has to.
        """
        return self._send_rest(case) if case.path else self._send_grpc(case)

    def close(self) -> None:
        """End the connections."""
        self._connection.close()
        self._channel.close()

    def _send_rest(self, case: Case) -> str:
        try:
            self._connection.request(case.method, case.path, case.body, dict(case.headers))
            response = self._connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            # refused before the body was read: the next connection must work
            self._connection.close()
            self._connection.request("GET", "/v1/models/nobody")
            self._connection.getresponse().read()
            return "closed"
        answer = response.read()
        if response.status == 200:
            json.loads(answer)
            return "200"
        told = answer.decode(errors="replace")[:200]
        assert response.status in (400, 404, 413, 429, 501, 503), (
            f"{case.kind}: {response.status} {told}"
        )
        if response.headers.get("Content-Type", "").startswith("application/json"):
            assert json.loads(answer)["error"], f"{case.kind}: no error in {told}"
        else:  # not HTTP in the eyes of the HTTP library itself
            assert response.status == 400, f"{case.kind}: {response.status} without JSON: {told}"
        return str(response.status)

    def _send_grpc(self, case: Case) -> str:
        try:
            self._channel.unary_unary(case.method)(case.body, timeout=60)
        except grpc.RpcError as error:
            code = str(error.code().name)
            told = str(error.details())
            assert code not in ("UNKNOWN", "INTERNAL"), f"{case.kind}: {code} {told[:200]}"
            return code
        return "OK"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if the server fails."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.checks.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rest", metavar="REST_URL", help="http://host:port")
    parser.add_argument("grpc", metavar="GRPC_URL", help="grpc://host:port")
    parser.add_argument("model")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE|@FILE")
    args = parser.parse_args(arguments)
    try:
        given = values_of(args.input)
        told = fuzz(args.rest, args.grpc, args.model, given, args.cases, args.seed)
    except (AssertionError, ServingError, OSError, ValueError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    for (kind, answer), count in sorted(told.items()):
        print(f"{kind:18} {answer:22} {count:6}")
    return 0


def fuzz(
    rest: str,
    grpc_url: str,
    model: str,
    given: Mapping[str, Sequence[bytes]],
    cases: int,
    seed: int,
) -> Counter[tuple[str, str]]:
    """Send cases, and a good request every now and then; how often which kind got which answer.

    Raises:
        AssertionError, ServingError: the server fails.
    """
    told: Counter[tuple[str, str]] = Counter()
    with Client(rest, model) as good:
        inputs = inputs_of(good.metadata()[DEFAULT_SIGNATURE], 2, given)
        expected = good.predict(inputs)
        fuzzer = Fuzzer(model, inputs, seed)
        trial = Trial(rest.partition("://")[2], grpc_url.partition("://")[2])
        try:
            for number in range(cases):
                case = fuzzer.case()
                told[case.kind, trial.send(case)] += 1
                if number % _BETWEEN == 0:
                    answers = good.predict(inputs)
                    for name, values in expected.items():
                        assert np.allclose(answers[name], values, equal_nan=True), "a wrong answer"
        finally:
            trial.close()
    return told


if __name__ == "__main__":
    sys.exit(main())
