"""The client without a model server: wrong URLs, timeouts, refused connections."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from serving.client.client import Client, Code, ServingError


def test_the_client_imports_no_tensorflow() -> None:
    code = (
        "import sys, serving.client.client, serving.client.grpc_transport; "
        "sys.exit(any(m.startswith(('tensorflow', 'keras')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "url", ["localhost:8501", "ftp://localhost", "http://", "http://localhost/v1", "grpc:host"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"Expected http://host:port or grpc://host:port"):
        Client(url, "m")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never responds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_no_response_is_a_missed_deadline(scheme: str, silent_port: int) -> None:
    with (
        Client(f"{scheme}://127.0.0.1:{silent_port}", "m", timeout_s=0.2) as client,
        pytest.raises(ServingError, match=r"did not respond within 0.2 s") as caught,
    ):
        client.status()
    assert caught.value.code is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_closed_port_is_unavailable(scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{unused.getsockname()[1]}"
        with Client(url, "m") as client, pytest.raises(ServingError, match="reached") as caught:
            client.status()
    assert caught.value.code is Code.UNAVAILABLE


def test_another_web_server_is_recognised() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with (
            Client(f"http://127.0.0.1:{server.server_port}", "m") as client,
            pytest.raises(ServingError, match="is it a model server"),
        ):
            client.status()
        thread.join()


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_classes_have_their_names(urls: dict[str, str], scheme: str) -> None:
    with Client(urls[scheme], "m") as client:
        row = {"age": [1.0], "text": ["abc"]}
        (yes,) = client.predict(row)["sure"][0].tolist()
        assert client.class_probabilities(row) == {
            "sure": {"yes": pytest.approx(yes), "no": pytest.approx(1 - yes)}
        }
        order = list(client.class_probabilities(row)["sure"])
        assert order == ["no", "yes"], "as in the model"
