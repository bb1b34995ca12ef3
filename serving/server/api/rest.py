"""TF Serving's REST API as an ASGI application: predict, classify, regress, status, metadata.

It also serves Prometheus metrics at TF Serving's path, `/health`, and pages to try the models.
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
from urllib.parse import quote, unquote

from google.protobuf.json_format import MessageToDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.server.api.classify_regress import Examples, classify, examples_of_json, regress
from serving.server.api.codec import decode_predict, encode_predict, signature_of
from serving.server.api.grpc_api import metadata_of, status_of
from serving.server.api.json_text import parse_document
from serving.server.api.limits import Budget, Limits, TooLarge, body_of
from serving.server.models import Models
from serving.server.saved_model import SavedModel
from serving.server.served_model import Target
from serving.server.web import site
from serving.server.web.catalogue import catalogue
from serving.server.web.openapi import openapi
from serving.versions.history import version_number
from serving.wire.errors import Code, ServingError, invalid
from serving.wire.names import DEFAULT_SIGNATURE, METRICS_PATH

_MODEL = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_INFERENCE = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(
    _MODEL.replace("/(?P<model>[^/:]+)", "(?:/(?P<model>[^/:]+))?") + r"(?P<metadata>/metadata)?",
    re.IGNORECASE,
)
_log = logging.getLogger(__name__)
_WORTH_COMPRESSING = 1024
_PAGES = {"/": False, "/docs": True}
"""Whether a page is the description of the API."""


class RestApplication:
    """The ASGI application for the REST API."""

    def __init__(
        self, models: Models, limits: Limits, threads: int, grpc_port: int | None = None
    ) -> None:
        """threads: how many requests run at the same time. grpc_port: where gRPC listens too."""
        self._models, self._limits, self._grpc_port = models, limits, grpc_port
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        self._pending, self._budget = 0, Budget(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, path = Request(scope, receive), _raw_path(scope)
        start, match = time.perf_counter(), None
        try:
            if request.method == "POST":
                match = _INFERENCE.fullmatch(path)
            response = await self._respond(request, path, match)
            code = Code.OK
        except ServingError as error:
            code = error.code
            response = _error(error.message, 413 if isinstance(error, TooLarge) else code.http)
        except asyncio.CancelledError:  # uvicorn does not wait longer for the end of this request
            code = Code.UNAVAILABLE
            response = _error("The server is shutting down.", code.http)
        except Exception as error:
            _log.exception("%s %s", request.method, path)
            code, response = Code.INTERNAL, _error(repr(error), Code.INTERNAL.http)
        if match is not None:
            name = self._models.metric_label(unquote(match["model"]))
            api = match["method"].title()
            seconds = time.perf_counter() - start
            self._models.monitoring.count_request(name, api, "REST", code, seconds)
        await response(scope, receive, send)

    async def _respond(self, request: Request, path: str, match: re.Match[str] | None) -> Response:
        method = request.method
        if path == "/health" and method == "GET":
            ready = self._models.available()
            body = json.dumps({"status": "ok" if ready else "loading"}).encode()
            return _json(body, 200 if ready else Code.UNAVAILABLE.http)
        if path in _PAGES and method == "GET":
            content, headers = await asyncio.to_thread(site.page, _PAGES[path])
            return Response(content, 200, headers, "text/html; charset=utf-8")
        if method == "OPTIONS" and path.lower().startswith("/v1/"):
            return _preflight(request.headers.get("origin", ""))
        self._limits.check_token(request.headers.get("authorization"))
        if path == METRICS_PATH and method == "GET":
            text = await asyncio.to_thread(self._models.monitoring.text)
            return Response(text, media_type="text/plain; version=0.0.4")
        if (description := _DESCRIPTIONS.get(path)) is not None and method == "GET":
            secured = self._limits.token is not None
            body = await self._work(description, self._models, self._grpc_port, secured)
            return _json(body)
        if not path.lower().startswith("/v1/"):
            raise ServingError(Code.NOT_FOUND, f"Not found: {path}")
        if match is not None:
            infer, target = _METHODS[match["method"].lower()], _target(match)
            with self._budget.reservation() as reserved:
                request_body = await body_of(request, self._limits, reserved)
                body = await self._work(infer, self._models, target, request_body)
        elif method == "GET" and (match := _STATUS.fullmatch(path)):
            describe = _metadata if match["metadata"] else _status
            body = await self._work(describe, self._models, _target(match))
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


def _raw_path(scope: Scope) -> str:
    """The path as it was sent: names in it may hold escaped characters, also `/` and `:`."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.partition(b"?")[0].decode("latin-1")


def _preflight(origin: str) -> Response:
    """The response to the request that a browser sends before one from another site."""
    allowed = re.search("https?://", origin)
    return Response(status_code=200 if allowed else Code.FAILED_PRECONDITION.http)


def _predict(models: Models, target: Target, body: bytes) -> bytes:
    with models.use(target) as (_, model):

        def inputs_of(signature: str) -> Mapping[str, int]:
            if signature not in model.signatures:
                raise invalid(f'Serving signature name: "{signature}" not found in signature def')
            return model.input_types(signature)

        request = decode_predict(body, DEFAULT_SIGNATURE, inputs_of)
        return encode_predict(request.form, model.predict(request.signature, request.inputs))


def _infer(
    run: Callable[[SavedModel, str, Examples], Sequence[Any]],
    models: Models,
    target: Target,
    body: bytes,
) -> bytes:
    document = parse_document(body)
    signature = signature_of(document)
    examples = examples_of_json(document)
    with models.use(target) as (_, model):
        return json.dumps({"results": run(model, signature, lambda: examples)}).encode()


_METHODS: Mapping[str, Callable[[Models, Target, bytes], bytes]] = {
    "predict": _predict,
    "classify": partial(_infer, classify),
    "regress": partial(_infer, regress),
}


def _status(models: Models, target: Target) -> bytes:
    return json.dumps(_as_json(status_of(models, target)), indent=1).encode()


def _metadata(models: Models, target: Target) -> bytes:
    spec, signatures = metadata_of(models, target)
    metadata = {"signature_def": _as_json(signatures)}
    document = {"model_spec": _as_json(spec), "metadata": metadata}
    return json.dumps(document, indent=1).encode()


def _catalogue(models: Models, grpc_port: int | None, secured: bool) -> bytes:
    return json.dumps(catalogue(models, grpc_port)).encode()


def _openapi(models: Models, grpc_port: int | None, secured: bool) -> bytes:
    return json.dumps(openapi(catalogue(models, grpc_port), secured), indent=1).encode()


_DESCRIPTIONS = {"/catalogue.json": _catalogue, "/openapi.json": _openapi}


def _target(where: re.Match[str]) -> Target:
    """The model and version in a path."""
    if not where["model"]:
        raise invalid("Missing model name in request.")
    version = version_number(where["version"] or "0")
    if version is None:
        raise invalid(f"Failed to convert version: {where['version']} to numeric.")
    label = where["label"] and unquote(where["label"])
    return Target(unquote(where["model"]), version if where["version"] else None, label)


def _as_json(message: Any) -> Any:
    """A protobuf message as TF Serving prints it in JSON: all fields, under their own names."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _error(message: str, status: int) -> Response:
    return _json(json.dumps({"error": message}).encode(), status)


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json")
