"""Check that a server behaves as TF Serving's documentation says:
`python -m serving.checks.conformance REST_URL GRPC_URL MODEL`.

Each case sends a request and checks the response: the forms of REST requests and responses
(https://www.tensorflow.org/tfx/serving/api_rest), REST errors, gRPC codes, and equal outputs over
both protocols. Run it against TF Serving and the embedded server, with the same model.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from serving.checks.arguments import BOTH_URLS, example_inputs, parse_values, parser_of, rows_of
from serving.client.client import Client
from serving.client.rest_transport import predict_body
from serving.client.transport import Signature
from serving.wire.errors import Code, ServingError
from serving.wire.names import DEFAULT_SIGNATURE, FROM_FEATURES
from serving.wire.tensors import STRING

ROWS = 3


@dataclass(frozen=True)
class Target:
    """The server and the model to check. inputs: `ROWS` good rows for all tasks."""

    rest: str
    grpc: str
    model: str
    signatures: Mapping[str, Signature]
    inputs: Mapping[str, np.ndarray]

    @property
    def default(self) -> Signature:
        """The signature of all tasks."""
        return self.signatures[DEFAULT_SIGNATURE]

    def send(
        self, path: str, body: Any = None, method: str = "", model: str | None = None
    ) -> tuple[int, Any]:
        """Send a request to `path` of the model; the HTTP status and the decoded body."""
        connection = http.client.HTTPConnection(self.rest.partition("://")[2], timeout=60)
        encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        try:
            connection.request(method, f"/v1/models/{model or self.model}{path}", encoded)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def ok(self, path: str, body: Any = None) -> Any:
        """The body of the response to a request that succeeds."""
        status, response = self.send(path, body)
        assert status == 200, response
        return response

    def columns(self, signature: str = DEFAULT_SIGNATURE) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(predict_body(signature, self.inputs))
        return document

    def rows(self, signature: str = DEFAULT_SIGNATURE) -> dict[str, Any]:
        rows = rows_of(self.columns(signature)["inputs"])
        return {"signature_name": signature, "instances": rows}

    def single(self) -> str | None:
        """A predict signature with one output and the inputs of the default signature."""
        for name, signature in self.signatures.items():
            alike = signature.inputs.keys() == self.inputs.keys() and name != FROM_FEATURES
            if alike and len(signature.outputs) == 1:
                return name
        return None


Case = tuple[str, Callable[[], None]]


def cases(server: Target) -> Iterator[Case]:
    yield "status lists versions", partial(_status, server, "")
    with Client(server.rest, server.model) as client:
        version = max(v.version for v in client.status() if v.state == "AVAILABLE")
    yield "status of a version", partial(_status, server, f"/versions/{version}")
    yield "metadata", partial(_metadata, server)
    yield "column form", partial(_column_form, server)
    yield "row form", partial(_row_form, server)
    yield "a version by number", partial(_same_as_default, server, f"/versions/{version}:predict")
    yield "paths ignore case", partial(_same_as_default, server, ":Predict")
    yield "without signature_name: the default signature", partial(_default_signature, server)
    if (name := server.single()) is not None:
        yield "a single output has no name", partial(_single_output, server, name)
    yield "REST and gRPC agree", partial(_protocols_agree, server)
    for index in range(ROWS):
        yield f"row {index} alone gets the outputs of the batch", partial(_alone, server, index)
    for name, signature in server.signatures.items():
        for method in ("classify", "regress"):
            if name.startswith(f"{method}_") and list(signature.inputs) == ["inputs"]:
                yield f":{method} {name}", partial(_examples, server, method, name)
    yield from _refusals(server)
    for url in (server.rest, server.grpc):
        for what, client, code in (
            ("model", Client(url, "nobody"), Code.NOT_FOUND),
            ("version", Client(url, server.model, 10**6), Code.NOT_FOUND),
            ("label", Client(url, server.model, label="nobody"), Code.INVALID_ARGUMENT),
        ):
            protocol = url.partition("://")[0]
            yield f"{protocol}: unknown {what}", partial(_refused, server, client, code)


def _refusals(server: Target) -> Iterator[Case]:
    columns, rows = server.columns(), server.rows()
    first = next(iter(server.inputs))
    ragged = {**columns["inputs"], first: [columns["inputs"][first], columns["inputs"][first][0]]}
    wrong: Any = {"a": 1} if server.default.inputs[first].data_type == STRING else "text"
    bodies: list[tuple[str, Any]] = [
        ("no JSON", b"{"),
        ("no object", b"[]"),
        ("an empty body", b""),
        ("neither instances nor inputs", {}),
        ("instances and inputs", {**columns, **rows}),
        ("instances that are no list", {"instances": 1}),
        ("no instances", {"instances": []}),
        ("a row that lacks an input", {"instances": [{}]}),
        ("an unknown input in a row", {"instances": [{**rows["instances"][0], "nobody": 1}]}),
        ("rows of several kinds", {"instances": [rows["instances"][0], 1]}),
        ("no inputs", {"inputs": {}}),
        ("a value of another type", {"inputs": {**columns["inputs"], first: [wrong] * ROWS}}),
        ("ragged lists", {"inputs": ragged}),
        ("an unknown signature", {**columns, "signature_name": "nobody"}),
        ("a signature that is no text", {**columns, "signature_name": 1}),
    ]
    texts = [name for name, spec in server.default.inputs.items() if spec.data_type == STRING]
    if texts:
        bad = {**columns["inputs"], texts[0]: [{"b64": "*"}] * ROWS}
        bodies.append(("bad base64", {"inputs": bad}))
    for what, body in bodies:
        yield f"refused: {what}", partial(_responds, server, 400, ":predict", body)
    yield "refused: an unknown method", partial(_responds, server, 400, ":explain", {})
    yield "refused: GET of predict", partial(_responds, server, 400, ":predict", None)
    yield "refused: an unknown version", partial(_responds, server, 404, "/versions/1000000", None)
    yield "refused: an unknown model", partial(_responds, server, 404, "", None, "nobody")


def _status(server: Target, path: str) -> None:
    body = server.ok(path)
    assert list(body) == ["model_version_status"], body
    for version in body["model_version_status"]:
        assert list(version) == ["version", "state", "status"], version
        assert isinstance(version["version"], str)
    good = [v for v in body["model_version_status"] if v["state"] == "AVAILABLE"]
    assert good and good[0]["status"] == {"error_code": "OK", "error_message": ""}, body


def _metadata(server: Target) -> None:
    body = server.ok("/metadata")
    assert set(body) == {"model_spec", "metadata"}, list(body)
    assert body["model_spec"]["name"] == server.model
    signatures = body["metadata"]["signature_def"]["signature_def"]
    assert DEFAULT_SIGNATURE in signatures, list(signatures)
    for entry in signatures[DEFAULT_SIGNATURE]["inputs"].values():
        assert set(entry) >= {"dtype", "tensor_shape", "name"}, entry


def _column_form(server: Target) -> None:
    body = server.ok(":predict", server.columns())
    assert list(body) == ["outputs"], list(body)
    outputs = body["outputs"] if len(server.default.outputs) > 1 else {"": body["outputs"]}
    assert all(len(values) == ROWS for values in outputs.values())


def _row_form(server: Target) -> None:
    body = server.ok(":predict", server.rows())
    assert list(body) == ["predictions"], list(body)
    assert len(body["predictions"]) == ROWS
    if len(server.default.outputs) > 1:
        columns = server.ok(":predict", server.columns())["outputs"]
        for name, values in columns.items():
            rows = [row[name] for row in body["predictions"]]
            both = f"{name}: {rows} by row, {values} by column"
            assert np.allclose(rows, values, rtol=1e-5), both


def _same_as_default(server: Target, path: str) -> None:
    assert server.send(path, server.rows()) == server.send(":predict", server.rows())


def _default_signature(server: Target) -> None:
    rows = server.rows()
    unnamed = {"instances": rows["instances"]}
    assert server.send(":predict", unnamed) == server.send(":predict", rows)


def _single_output(server: Target, signature: str) -> None:
    body = server.ok(":predict", server.rows(signature))
    assert not any(isinstance(value, dict) for value in body["predictions"]), body
    body = server.ok(":predict", server.columns(signature))
    assert isinstance(body["outputs"], list), body


def _protocols_agree(server: Target) -> None:
    with Client(server.rest, server.model) as rest, Client(server.grpc, server.model) as grpc:
        rest_outputs, grpc_outputs = rest.predict(server.inputs), grpc.predict(server.inputs)
    assert rest_outputs.keys() == grpc_outputs.keys()
    for name, values in rest_outputs.items():
        assert values.dtype == grpc_outputs[name].dtype
        assert np.allclose(values, grpc_outputs[name], rtol=1e-5), name


def _alone(server: Target, index: int) -> None:
    with Client(server.grpc, server.model) as client:
        together = client.predict(server.inputs)
        alone = client.predict({n: v[index : index + 1] for n, v in server.inputs.items()})
    for name, values in alone.items():
        assert np.allclose(values[0], together[name][index], rtol=1e-4, atol=1e-5), name


def _examples(server: Target, method: str, signature: str) -> None:
    request = {"signature_name": signature, "examples": [{}, {}]}
    status, body = server.send(f":{method}", request)
    if status == 400:  # the model may require a feature
        assert body["error"]
        return
    assert status == 200, body
    assert list(body) == ["results"] and len(body["results"]) == 2, body
    for result in body["results"]:
        if method == "regress":
            assert isinstance(result, float), result
        else:
            assert all(isinstance(t, str) and isinstance(s, float) for t, s in result), result


def _responds(
    server: Target, expected: int, path: str, body: Any, model: str | None = None
) -> None:
    status, response = server.send(path, body, model=model)
    assert status == expected, f"{status}: {response}"
    assert list(response) == ["error"], response
    assert isinstance(response["error"], str) and response["error"], response


def _refused(server: Target, client: Client, code: Code) -> None:
    with client:
        try:
            client.predict(server.inputs)
        except ServingError as error:
            assert error.code is code, error
            return
    raise AssertionError("the request succeeded")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a case fails."""
    args = parser_of("conformance", __doc__, BOTH_URLS).parse_args(arguments)
    try:
        with Client(args.rest_url, args.model) as client:
            signatures = client.metadata()
        inputs = example_inputs(signatures[DEFAULT_SIGNATURE], ROWS, parse_values(args.input))
        target = Target(args.rest_url, args.grpc_url, args.model, signatures, inputs)
        all_cases = list(cases(target))
    except (ServingError, OSError, ValueError, KeyError) as error:
        print(f"FAILED  {args.rest_url}: the model cannot be called: {error!r}")
        return 1
    failed = 0
    for name, case in all_cases:
        try:
            case()
            print(f"ok      {name}")
        except (AssertionError, ServingError, OSError, ValueError, KeyError, TypeError) as error:
            failed += 1
            print(f"FAILED  {name}: {str(error) or repr(error)}"[:400])
    print(f"{len(all_cases)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
