"""The REST API over HTTP, in this process; tests/integration has more cases."""

import asyncio
import gzip
import http.client
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from serving.server.api import rest
from serving.server.api.limits import Limits
from serving.server.models import Models

ROWS = [{"age": 0.0, "text": "abc"}, {"age": 0.0, "text": ""}]


def send(
    url: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(url.partition("://")[2], timeout=30)
    encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request("GET" if body is None else "POST", path, encoded, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_predict_classify_and_regress(urls: dict[str, str]) -> None:
    for path, body, expected in (
        (":predict", {"signature_name": "size", "instances": ROWS}, {"predictions": [3.0, 0.0]}),
        (
            "/versions/1:classify",
            {"signature_name": "classify_sure", "examples": [{"age": 0.0}]},
            {"results": [[["no", 0.5], ["yes", 0.5]]]},
        ),
        (
            ":regress",
            {"signature_name": "regress_size", "examples": [{"text": "ab"}]},
            {"results": [2.0]},
        ),
    ):
        status, _, response = send(urls["http"], f"/v1/models/m{path}", body)
        assert (status, json.loads(response)) == (200, expected)


def test_status_metadata_and_health(urls: dict[str, str]) -> None:
    status, _, body = send(urls["http"], "/v1/models/m")
    (version,) = json.loads(body)["model_version_status"]
    assert (status, version["version"], version["state"]) == (200, "1", "AVAILABLE")
    _, _, body = send(urls["http"], "/v1/models/m/metadata")
    signatures = json.loads(body)["metadata"]["signature_def"]["signature_def"]
    ours = {"serving_default", "sure", "size", "classify_sure", "regress_size"}
    assert set(signatures) == {*ours, "__saved_model_init_op"}  # as in TF Serving
    status, _, body = send(urls["http"], "/health")
    assert (status, json.loads(body)) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/models/x:predict", {"instances": ROWS}, 404, "Latest(x)"),
        ("/v1/models/m:predict", b"{", 400, "JSON Parse error"),
        ("/v1/models/m:predict", b" " * 100_001, 413, "larger than 100000 bytes"),
        ("/v1/models/m:classify", {"signature_name": 1, "examples": [{}]}, 400, "string value"),
        ("/v1/models/m:explain", {}, 400, "Malformed request"),
        ("/v1/models", None, 400, "Missing model name"),
        (f"/v1/models/m/versions/{2**63}", None, 400, "Failed to convert version"),
        ("/elsewhere", None, 404, "Not found: /elsewhere"),
    ],
)
def test_errors(urls: dict[str, str], path: str, body: Any, status: int, message: str) -> None:
    received, headers, response = send(urls["http"], path, body)
    assert (received, headers["Content-Type"]) == (status, "application/json")
    assert message in json.loads(response)["error"]


def test_long_responses_are_compressed_for_clients_that_accept_it(urls: dict[str, str]) -> None:
    body = {"instances": ROWS * 500}
    _, headers, packed = send(
        urls["http"], "/v1/models/m:predict", body, {"Accept-Encoding": "gzip"}
    )
    assert headers["Content-Encoding"] == "gzip"
    _, headers, plain = send(urls["http"], "/v1/models/m:predict", body)
    assert "Content-Encoding" not in headers
    assert gzip.decompress(packed) == plain


def test_a_request_that_a_stopping_server_does_not_finish(models: Models) -> None:
    """Uvicorn cancels it; without an answer of ours it would answer 500."""
    application = rest.RestApplication(models, Limits(), threads=1)
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def send_message(message: MutableMapping[str, Any]) -> None:
        messages.append(dict(message))

    async def serve() -> None:
        path = "/v1/models/m:predict"
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "headers": []}
        scope["raw_path"] = path.encode()
        task = asyncio.create_task(application(scope, receive, send_message))
        await asyncio.sleep(0.05)
        task.cancel()
        await task

    asyncio.run(serve())
    assert messages[0]["status"] == 503
    assert b"shutting down" in messages[1]["body"]


def test_pages_need_no_token_but_what_they_show_does(models: Models) -> None:
    application = rest.RestApplication(models, Limits(token="secret"), threads=1)

    async def status(path: str, headers: list[tuple[bytes, bytes]]) -> int:
        messages: list[MutableMapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {}

        async def keep(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
        await application(scope, receive, keep)
        return int(messages[0]["status"])

    async def statuses(path: str) -> tuple[int, int]:
        return await status(path, []), await status(path, [(b"authorization", b"Bearer secret")])

    assert asyncio.run(statuses("/")) == asyncio.run(statuses("/docs")) == (200, 200)
    for path in ("/catalogue.json", "/openapi.json"):
        assert asyncio.run(statuses(path)) == (401, 200)
