"""TF Serving's REST API as an ASGI application: predict, classify, regress, status, metadata.

It also serves Prometheus metrics at TF Serving's path, and `/health`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from google.protobuf.json_format import MessageToDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.server.api.classify_regress import classify, examples_of_json, regress
from serving.server.api.codec import decode_predict, encode_predict, parse_document
from serving.server.api.grpc_api import metadata_of, status_of
from serving.server.api.limits import Limits, TooLarge, body_of
from serving.server.models import Models
from serving.server.saved_model import SavedModel
from serving.server.served_model import Target
from serving.wire.errors import Code, ServingError, invalid
from serving.wire.names import DEFAULT_SIGNATURE, METRICS_PATH

_MODEL = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_INFERENCE = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(
    _MODEL.replace("/(?P<model>[^/:]+)", "(?:/(?P<model>[^/:]+))?") + r"(?P<metadata>/metadata)?",
    re.IGNORECASE,
)
_log = logging.getLogger(__name__)
_LARGEST_VERSION = 2**63 - 1
_WORTH_COMPRESSING = 1024


class RestApplication:
    """The ASGI application for the REST API."""

    def __init__(self, models: Models, limits: Limits, threads: int) -> None:
        """threads: how many requests run at the same time."""
        self._models, self._limits = models, limits
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        self._pending = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, path = Request(scope, receive), scope["path"]
        start, match = time.perf_counter(), None
        try:
            if request.method == "POST":
                match = _INFERENCE.fullmatch(path)
            response = await self._respond(request, path, match)
            code = Code.OK
        except ServingError as error:
            code = error.code
            response = _error(error.message, 413 if isinstance(error, TooLarge) else code.http)
        except Exception as error:
            _log.exception("%s %s", request.method, path)
            code, response = Code.INTERNAL, _error(repr(error), Code.INTERNAL.http)
        if match is not None:
            name, api = self._models.metric_label(match["model"]), match["method"].title()
            seconds = time.perf_counter() - start
            self._models.monitoring.count_request(name, api, "REST", code, seconds)
        await response(scope, receive, send)

    async def _respond(self, request: Request, path: str, match: re.Match[str] | None) -> Response:
        method = request.method
        if path == "/health" and method == "GET":
            ready = self._models.available()
            body = json.dumps({"status": "ok" if ready else "loading"}).encode()
            return _json(body, 200 if ready else Code.UNAVAILABLE.http)
        self._limits.check_token(request.headers.get("authorization"))
        if path == METRICS_PATH and method == "GET":
            text = await asyncio.to_thread(self._models.monitoring.text)
            return Response(text, media_type="text/plain; version=0.0.4")
        if not path.lower().startswith("/v1/"):
            raise ServingError(Code.NOT_FOUND, f"Not found: {path}")
        if match is not None:
            infer = _METHODS[match["method"].lower()]
            request_body = await body_of(request, self._limits.body_bytes)
            body = await self._work(infer, self._models, match.groupdict(), request_body)
        elif method == "GET" and (match := _STATUS.fullmatch(path)):
            describe = _metadata if match["metadata"] else _status
            body = await self._work(describe, self._models, match.groupdict())
        else:
            raise invalid(f"Malformed request: {method} {path}")
        accepts_gzip = "gzip" in request.headers.get("accept-encoding", "").lower()
        if accepts_gzip and len(body) >= _WORTH_COMPRESSING:
            compressed = await asyncio.to_thread(gzip.compress, body, 1)
            return _json(compressed, headers={"Content-Encoding": "gzip"})
        return _json(body)

    async def _work(self, task: Callable[..., bytes], *arguments: Any) -> bytes:
        """Run a task on a worker thread, unless too many requests are pending."""
        if self._pending >= self._limits.pending:
            message = f"{self._pending} requests are pending already."
            raise ServingError(Code.RESOURCE_EXHAUSTED, message)
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._workers, task, *arguments)
        finally:
            self._pending -= 1


def _predict(models: Models, where: Mapping[str, str | None], body: bytes) -> bytes:
    with models.use(_target(where)) as (_, model):

        def inputs_of(signature: str) -> dict[str, int]:
            if signature not in model.signatures:
                raise invalid(f'Serving signature name: "{signature}" not found in signature def')
            inputs = model.signatures[signature].inputs
            return {name: inputs[name].dtype for name in sorted(inputs)}

        request = decode_predict(body, DEFAULT_SIGNATURE, inputs_of)
        return encode_predict(request.form, model.predict(request.signature, request.inputs))


def _infer(
    run: Callable[[SavedModel, str, Sequence[bytes]], Sequence[Any]],
    models: Models,
    where: Mapping[str, str | None],
    body: bytes,
) -> bytes:
    document = parse_document(body)
    signature = document.get("signature_name", "")
    if not isinstance(signature, str):
        raise invalid("'signature_name' key must be a string value.")
    examples = examples_of_json(document)
    with models.use(_target(where)) as (_, model):
        return json.dumps({"results": run(model, signature, examples)}).encode()


_METHODS: Mapping[str, Callable[[Models, Mapping[str, str | None], bytes], bytes]] = {
    "predict": _predict,
    "classify": partial(_infer, classify),
    "regress": partial(_infer, regress),
}


def _status(models: Models, where: Mapping[str, str | None]) -> bytes:
    return json.dumps(_as_json(status_of(models, _target(where))), indent=1).encode()


def _metadata(models: Models, where: Mapping[str, str | None]) -> bytes:
    spec, signatures = metadata_of(models, _target(where))
    metadata = {"signature_def": _as_json(signatures)}
    document = {"model_spec": _as_json(spec), "metadata": metadata}
    return json.dumps(document, indent=1).encode()


def _target(where: Mapping[str, str | None]) -> Target:
    """The model and version in a path."""
    if not where["model"]:
        raise invalid("Missing model name in request.")
    version = where["version"]
    if version and int(version) > _LARGEST_VERSION:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return Target(where["model"], int(version) if version else None, where["label"])


def _as_json(message: Any) -> Any:
    """A protobuf message as TF Serving prints it in JSON: all fields, under their own names."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _error(message: str, status: int) -> Response:
    return _json(json.dumps({"error": message}).encode(), status)


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json")
