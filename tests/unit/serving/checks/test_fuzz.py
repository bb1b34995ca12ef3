"""Malformed requests to a good server, and to bad ones."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from serving.checks.fuzz import Sender, fuzz, main
from serving.checks.malformed import MalformedRequest


def test_a_good_server_refuses_them(urls: dict[str, str]) -> None:
    counts = fuzz(urls["http"], urls["grpc"], "m", {}, cases=60, seed=3)
    assert sum(counts.values()) == 60
    assert {response for _, response in counts} >= {"400", "INVALID_ARGUMENT"}


class Bad(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.strip("/"))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"error": ""}')

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def bad_server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Bad) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "message"), [("/500", "kind: 500"), ("/400", "kind: no error in")]
)
def test_a_bad_server_fails(bad_server: str, path: str, message: str) -> None:
    with Sender(bad_server, bad_server) as sender, pytest.raises(AssertionError, match=message):
        sender.send(MalformedRequest("kind", "POST", path, b"{"))


def test_the_command_reports_a_server_that_cannot_be_reached(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["http://127.0.0.1:9", "grpc://127.0.0.1:9", "m"]) == 1
    assert "FAILED: UNAVAILABLE" in capsys.readouterr().err
