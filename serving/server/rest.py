"""TF Serving's REST API as an ASGI application: predict, model status, metadata."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import Code, ServingError, invalid
from serving.server.codec import decode_predict, encode_predict
from serving.server.grpc_api import metadata_of, status_of
from serving.server.models import Models
from serving.server.saved_model import DEFAULT_SIGNATURE

_MODEL = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(
    _MODEL.replace("/(?P<model>[^/:]+)", "(?:/(?P<model>[^/:]+))?") + r"(?P<metadata>/metadata)?",
    re.IGNORECASE,
)
_LARGEST_VERSION = 2**63 - 1


def application(models: Models) -> ASGIApp:
    """The ASGI application that answers for these models."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await _answer(models, Request(scope, receive))
        await response(scope, receive, send)

    return app


async def _answer(models: Models, request: Request) -> Response:
    path, method = request.url.path, request.method
    try:
        if not path.lower().startswith("/v1/"):
            raise ServingError(Code.NOT_FOUND, f"Not found: {path}")
        if method == "POST" and (match := _PREDICT.fullmatch(path)):
            body = await request.body()
            return _json(await asyncio.to_thread(_predict, models, match.groupdict(), body))
        if method == "GET" and (match := _STATUS.fullmatch(path)):
            answer = _metadata if match["metadata"] else _status
            return _json(await asyncio.to_thread(answer, models, match.groupdict()))
        raise invalid(f"Malformed request: {method} {path}")
    except ServingError as error:
        return _json(json.dumps({"error": error.message}).encode(), error.code.http)


def _predict(models: Models, where: Mapping[str, str | None], body: bytes) -> bytes:
    if str(where["method"]).lower() != "predict":
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"This server answers predict, not {where['method']}: ask TensorFlow Serving.",
        )
    name, number = _target(where)
    with models.use(name, number) as (_, model):

        def inputs_of(signature: str) -> dict[str, int]:
            if signature not in model.signatures:
                raise invalid(f'Serving signature name: "{signature}" not found in signature def')
            inputs = model.signatures[signature].inputs
            return {name: inputs[name].dtype for name in sorted(inputs)}

        request = decode_predict(body, DEFAULT_SIGNATURE, inputs_of)
        return encode_predict(request.form, model.predict(request.signature, request.inputs))


def _status(models: Models, where: Mapping[str, str | None]) -> bytes:
    name, number = _target(where)
    return _message(status_of(models, name, number))


def _metadata(models: Models, where: Mapping[str, str | None]) -> bytes:
    name, number = _target(where)
    spec, signatures = metadata_of(models, name, number)
    document = {
        "model_spec": _as_json(spec),
        "metadata": {"signature_def": _as_json(signatures)},
    }
    return json.dumps(document, indent=1).encode()


def _target(where: Mapping[str, str | None]) -> tuple[str, int | None]:
    """The model and version that a path names."""
    name, version, label = where["model"], where["version"], where["label"]
    if not name:
        raise invalid("Missing model name in request.")
    if label:
        raise invalid(f"Unrecognized servable version label: {label}")
    if version and int(version) > _LARGEST_VERSION:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return name, int(version) if version else None


def _message(message: Any) -> bytes:
    return json.dumps(_as_json(message), indent=1).encode()


def _as_json(message: Any) -> Any:
    """A protobuf message in JSON as TF Serving prints it: all fields, by their own names."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
