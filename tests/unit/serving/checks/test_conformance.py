"""The conformance check, on a server in this process and on one that does not conform."""

import http.server
import threading

import pytest

from serving.checks.conformance import main


def test_the_embedded_server_conforms(
    urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([urls["http"], urls["grpc"], "m"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("0 failed")
    assert len(lines) > 30


def test_a_server_that_does_not_conform_fails(capsys: pytest.CaptureFixture[str]) -> None:
    class Static(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Static) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert main([url, "grpc://127.0.0.1:9", "m"]) == 1
        server.shutdown()
        thread.join()
    assert "FAILED" in capsys.readouterr().out
