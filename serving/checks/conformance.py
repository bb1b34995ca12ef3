"""Whether a server answers as TF Serving's documents say:
`python -m serving.checks.conformance REST_URL GRPC_URL MODEL`.

Each case is a request and what its answer must be like: REST's forms of requests and answers
(https://www.tensorflow.org/tfx/serving/api_rest), its errors, gRPC's codes, and that both protocols
give the same numbers. Run it against TF Serving and the embedded server, with one model.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from serving.checks.load import inputs_of, values_of
from serving.client.client import DEFAULT_SIGNATURE, Client, Code
from serving.client.rest_transport import predict_body
from serving.client.transport import Signature
from serving.wire.errors import ServingError
from serving.wire.tensors import STRING

ROWS = 3


@dataclass(frozen=True)
class Target:
    """The server and the model on trial. inputs: `ROWS` good rows for all tasks."""

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
        """A request for the model's `path`; the HTTP status and the parsed answer."""
        connection = http.client.HTTPConnection(self.rest.partition("://")[2], timeout=60)
        encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        try:
            connection.request(method, f"/v1/models/{model or self.model}{path}", encoded)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def columns(self, signature: str = DEFAULT_SIGNATURE) -> dict[str, Any]:
        """A good request in column form."""
        document: dict[str, Any] = json.loads(predict_body(signature, self.inputs))
        return document

    def rows(self, signature: str = DEFAULT_SIGNATURE) -> dict[str, Any]:
        """The same request in row form."""
        columns = self.columns(signature)["inputs"]
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return {"signature_name": signature, "instances": rows}

    def single(self) -> str | None:
        """A predict signature with one output and the inputs of the default one."""
        for name, signature in self.signatures.items():
            if len(signature.outputs) == 1 and signature.inputs.keys() == self.inputs.keys():
                return name
        return None


Case = tuple[str, Callable[[], None]]


def cases(to: Target) -> Iterator[Case]:
    """All cases, by name."""
    yield "status lists versions", partial(_status, to, "")
    version = _newest(to)
    yield "status of a version", partial(_status, to, f"/versions/{version}")
    yield "metadata", partial(_metadata, to)
    yield "column form", partial(_column_form, to)
    yield "row form", partial(_row_form, to)
    yield "a version by number", partial(_same_as_default, to, f"/versions/{version}:predict")
    yield "paths ignore case", partial(_same_as_default, to, ":Predict")
    yield "without signature_name the default one", partial(_default_signature, to)
    if (name := to.single()) is not None:
        yield "one output stands bare", partial(_bare, to, name)
    yield "REST and gRPC agree", partial(_protocols_agree, to)
    for index in range(ROWS):
        yield f"row {index} alone is answered as among others", partial(_alone, to, index)
    for name, signature in to.signatures.items():
        for method in ("classify", "regress"):
            if name.startswith(f"{method}_") and list(signature.inputs) == ["inputs"]:
                yield f":{method} {name}", partial(_examples, to, method, name)
    yield from _refusals(to)
    for url in (to.rest, to.grpc):
        kind = url.partition("://")[0]
        for what, arguments, code in (
            ("model", {"model": "nobody"}, Code.NOT_FOUND),
            ("version", {"version": 10**6}, Code.NOT_FOUND),
            ("label", {"label": "nobody"}, Code.INVALID_ARGUMENT),
        ):
            yield f"{kind}: unknown {what}", partial(_refused, to, url, arguments, code)


def _refusals(to: Target) -> Iterator[Case]:
    columns, rows = to.columns(), to.rows()
    first = next(iter(to.inputs))
    ragged = {**columns["inputs"], first: [columns["inputs"][first], columns["inputs"][first][0]]}
    wrong: Any = {"a": 1} if to.default.inputs[first].data_type == STRING else "text"
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
    if any(spec.data_type == STRING for spec in to.default.inputs.values()):
        text = next(n for n, spec in to.default.inputs.items() if spec.data_type == STRING)
        bad = {**columns["inputs"], text: [{"b64": "*"}] * ROWS}
        bodies.append(("bad base64", {"inputs": bad}))
    for what, body in bodies:
        yield f"refused: {what}", partial(_answers, to, 400, ":predict", body)
    yield "refused: an unknown method", partial(_answers, to, 400, ":explain", {})
    yield "refused: GET of predict", partial(_answers, to, 400, ":predict", None)
    yield "refused: an unknown version", partial(_answers, to, 404, "/versions/1000000", None)
    yield "refused: an unknown model", partial(_answers, to, 404, "", None, "nobody")


def _newest(to: Target) -> int:
    with Client(to.rest, to.model) as client:
        return max(v.version for v in client.status() if v.state == "AVAILABLE")


def _status(to: Target, path: str) -> None:
    status, told = to.send(path)
    assert status == 200, told
    assert list(told) == ["model_version_status"], told
    for version in told["model_version_status"]:
        assert list(version) == ["version", "state", "status"], version
        assert isinstance(version["version"], str)
    good = [v for v in told["model_version_status"] if v["state"] == "AVAILABLE"]
    assert good and good[0]["status"] == {"error_code": "OK", "error_message": ""}, told


def _metadata(to: Target) -> None:
    status, told = to.send("/metadata")
    assert status == 200, told
    assert set(told) == {"model_spec", "metadata"}, list(told)
    assert told["model_spec"]["name"] == to.model
    signatures = told["metadata"]["signature_def"]["signature_def"]
    assert DEFAULT_SIGNATURE in signatures, list(signatures)
    for entry in signatures[DEFAULT_SIGNATURE]["inputs"].values():
        assert set(entry) >= {"dtype", "tensor_shape", "name"}, entry


def _column_form(to: Target) -> None:
    status, told = to.send(":predict", to.columns())
    assert status == 200, told
    assert list(told) == ["outputs"], list(told)
    outputs = told["outputs"] if len(to.default.outputs) > 1 else {"": told["outputs"]}
    assert all(len(values) == ROWS for values in outputs.values())


def _row_form(to: Target) -> None:
    status, told = to.send(":predict", to.rows())
    assert status == 200, told
    assert list(told) == ["predictions"], list(told)
    assert len(told["predictions"]) == ROWS
    if len(to.default.outputs) > 1:
        columns = to.send(":predict", to.columns())[1]["outputs"]
        for name, values in columns.items():
            rows = [row[name] for row in told["predictions"]]
            assert np.allclose(rows, values, rtol=1e-5), (
                f"{name}: {rows} by row, {values} by column"
            )


def _same_as_default(to: Target, path: str) -> None:
    assert to.send(path, to.rows()) == to.send(":predict", to.rows())


def _default_signature(to: Target) -> None:
    rows = to.rows()
    assert to.send(":predict", {"instances": rows["instances"]}) == to.send(":predict", rows)


def _bare(to: Target, signature: str) -> None:
    status, told = to.send(":predict", to.rows(signature))
    assert status == 200, told
    assert not any(isinstance(value, dict) for value in told["predictions"]), told
    status, told = to.send(":predict", to.columns(signature))
    assert isinstance(told["outputs"], list), told


def _protocols_agree(to: Target) -> None:
    with Client(to.rest, to.model) as rest, Client(to.grpc, to.model) as grpc:
        ours, others = rest.predict(to.inputs), grpc.predict(to.inputs)
    assert ours.keys() == others.keys()
    for name, values in ours.items():
        assert values.dtype == others[name].dtype
        assert np.allclose(values, others[name], rtol=1e-5), name


def _alone(to: Target, index: int) -> None:
    with Client(to.grpc, to.model) as client:
        together = client.predict(to.inputs)
        alone = client.predict({n: v[index : index + 1] for n, v in to.inputs.items()})
    for name, values in alone.items():
        assert np.allclose(values[0], together[name][index], rtol=1e-4, atol=1e-5), name


def _examples(to: Target, method: str, signature: str) -> None:
    body = {"signature_name": signature, "examples": [{}, {}]}
    status, told = to.send(f":{method}", body)
    if status == 400:  # the model may need a feature
        assert told["error"]
        return
    assert status == 200, told
    assert list(told) == ["results"] and len(told["results"]) == 2, told
    for result in told["results"]:
        if method == "regress":
            assert isinstance(result, float), result
        else:
            assert all(isinstance(t, str) and isinstance(s, float) for t, s in result), result


def _answers(to: Target, expected: int, path: str, body: Any, model: str | None = None) -> None:
    status, told = to.send(path, body, model=model)
    assert status == expected, f"{status}: {told}"
    assert list(told) == ["error"] and isinstance(told["error"], str) and told["error"], told


def _refused(to: Target, url: str, arguments: dict[str, Any], code: Code) -> None:
    with Client(url, **{"model": to.model, **arguments}) as client:
        try:
            client.predict(to.inputs)
        except ServingError as error:
            assert error.code is code, error
            return
    raise AssertionError("it was answered")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a case fails."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.checks.conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rest", metavar="REST_URL", help="http://host:port")
    parser.add_argument("grpc", metavar="GRPC_URL", help="grpc://host:port")
    parser.add_argument("model")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE|@FILE")
    args = parser.parse_args(arguments)
    try:
        with Client(args.rest, args.model) as client:
            signatures = client.metadata()
        inputs = inputs_of(signatures[DEFAULT_SIGNATURE], ROWS, values_of(args.input))
        listed = list(cases(Target(args.rest, args.grpc, args.model, signatures, inputs)))
    except (ServingError, OSError, ValueError, KeyError) as error:
        print(f"FAILED  {args.rest}: no such model can be asked: {error!r}")
        return 1
    failed = 0
    for name, case in listed:
        try:
            case()
            print(f"ok      {name}")
        except (AssertionError, ServingError, OSError, ValueError, KeyError, TypeError) as error:
            failed += 1
            print(f"FAILED  {name}: {str(error) or repr(error)}"[:400])
    print(f"{len(listed)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
