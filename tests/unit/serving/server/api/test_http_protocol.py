"""Bounds of headers; tests/trials/test_server_exhaustion.py attacks a whole server."""

from __future__ import annotations

import contextlib
import socket

import pytest

START = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n"


def connected(url: str) -> socket.socket:
    host, _, port = url.partition("://")[2].partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


@pytest.mark.parametrize(
    "head",
    [
        START + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        START + b"a: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        START + b"X: " + b"a" * 70_000,
    ],
    ids=["one header", "many headers", "path", "unfinished"],
)
def test_a_long_header_is_refused(urls: dict[str, str], head: bytes) -> None:
    received = b""
    with connected(urls["http"]) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(head)
        while data := connection.recv(65536):
            received += data
    # the kernel drops an answer if the client has sent more than was read
    assert not received or received.startswith(b"HTTP/1.1 431")
    assert received.count(b"HTTP/1.1") <= 1


def test_large_bodies_are_no_headers(urls: dict[str, str]) -> None:
    """Also when a whole request arrives at once, in many chunks, or after another one."""
    body = b'{"instances": [{"age": 0.0, "text": "' + b"a" * 90_000 + b'"}]}'
    whole = START + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    in_chunks = START + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    with connected(urls["http"]) as connection:
        for request in (whole, in_chunks, whole):
            connection.sendall(request)
            received = connection.recv(65536)
            while b"predictions" not in received and (data := connection.recv(65536)):
                received += data
            assert received.startswith(b"HTTP/1.1 200")
