"""The client over REST, against a server in this process."""

import http.server
import json
import threading

import numpy as np
import pytest

from serving.client.client import Client
from serving.client.rest_transport import RestTransport, predict_body
from serving.client.transport import Endpoint
from serving.wire.errors import Code, ServingError


def test_predict_status_and_metadata(urls: dict[str, str]) -> None:
    with Client(urls["http"], "m") as client:
        outputs = client.predict({"age": [0, 0], "text": ["abc", b"\xff"]})
        assert outputs["sure"].tolist() == [[0.5], [0.5]]
        assert outputs["size"].tolist() == [3.0, 1.0]
        assert outputs["size"].dtype == np.float32
        (version,) = client.status()
        assert (version.version, version.state, version.error_code) == (1, "AVAILABLE", "OK")
        assert sorted(client.inputs) == ["age", "text"]
        assert client.metadata()["size"].outputs["size"].shape == (-1,)


def test_a_single_output_gets_its_name_back(urls: dict[str, str]) -> None:
    with Client(urls["http"], "m", version=1, signature="size") as client:
        assert client.predict({"age": [0], "text": ["ab"]}).keys() == {"size"}


def test_errors_have_the_code_of_their_status(urls: dict[str, str]) -> None:
    with Client(urls["http"], "m", version=9) as client:
        with pytest.raises(ServingError, match=r"Specific\(m, 9\)") as caught:
            client.metadata()
        assert caught.value.code is Code.NOT_FOUND


def test_bytes_are_sent_as_base64() -> None:
    body = predict_body("s", {"text": np.array([b"\xff"], object), "x": np.float32([[1.5]])})
    assert json.loads(body) == {
        "signature_name": "s",
        "inputs": {"text": [{"b64": "/w=="}], "x": [[1.5]]},
    }


def test_the_path_names_the_version_or_the_label() -> None:
    for endpoint, path in (
        (Endpoint("h:1", "m"), "/v1/models/m"),
        (Endpoint("h:1", "m", version=3), "/v1/models/m/versions/3"),
        (Endpoint("h:1", "m", label="stable"), "/v1/models/m/labels/stable"),
    ):
        assert RestTransport(endpoint)._path == path


def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    class OneResponse(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = b'{"model_version_status": []}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True  # without telling the client

        def log_message(self, *arguments: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), OneResponse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}", "m") as client:
                assert [client.status() for _ in range(3)] == [[], [], []]
        finally:
            server.shutdown()
            thread.join()
