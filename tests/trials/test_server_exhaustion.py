"""Requests that want to exhaust the server: its memory and the time of `/health` have bounds."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from serving.server.launch import ServerProcess
from serving.signatures import SignatureInput, export
from serving.versions.directory import Directory

pytestmark = pytest.mark.slow

MIB = 2**20
OPTIONS = ["--max-body-bytes", str(32 * MIB), "--max-bytes-in-flight", str(64 * MIB)]
OPTIONS += ["--header-seconds", "2", "--idle-seconds", "1", "--request-seconds", "4"]
PREDICT = "POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\n"
SLOWEST_HEALTH_S = 2.0


@dataclass
class Bounds(threading.Thread):
    """Asks for the health all the time, and measures memory."""

    port: int
    server: psutil.Process
    slowest: float = 0.0
    memory: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.server.memory_info().rss

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self.ended.wait(0.02):
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.request("GET", "/health")
            assert connection.getresponse().status == 200
            connection.close()
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.memory = max(self.memory, self.server.memory_info().rss - self.before)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, psutil.Process]]:
    import tensorflow as tf

    def predict(raw: dict[str, Any]) -> dict[str, Any]:
        return {"y": (raw["x"] / 2 + 2)[:, None]}

    root = tmp_path_factory.mktemp("half")
    export(predict, tf.Module(), [SignatureInput("x", "float32")], ["y"], root / "model")
    Directory(root / "served").push("half", root / "model", "one")
    with ServerProcess({"half": root / "served/half"}, root / "server.log", OPTIONS) as process:
        yield process.wait(60)["rest"], psutil.Process(process.process.pid)


@contextlib.contextmanager
def bounded(server: tuple[int, psutil.Process], most_mib: int) -> Iterator[int]:
    bounds = Bounds(*server)
    bounds.start()
    yield server[0]
    bounds.ended.set()
    bounds.join()
    assert bounds.slowest < SLOWEST_HEALTH_S
    assert bounds.memory < most_mib * MIB


def sent(port: int, start: str, part: bytes, most: int, pause: float = 0.0) -> tuple[int, bytes]:
    """Send a start and then parts, until the server closes: bytes that it took, and its answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        count = 0
        with contextlib.suppress(ConnectionError):
            connection.sendall(start.encode())
            while count < most:
                connection.sendall(part)
                count += len(part)
                time.sleep(pause)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                answer += data
        return count, answer


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (PREDICT + "X: ", b"a" * 65536),
        (PREDICT, b"a: b\r\n" * 10000),
        ("GET /", b"a" * 65536),
        ("", b"\r\n" * 32768),
        (PREDICT + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a" * 65536),
        (PREDICT + "Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 65536),
    ],
    ids=["one header", "many headers", "path", "empty lines", "trailer", "extension"],
)
def test_an_endless_header(server: tuple[int, psutil.Process], start: str, part: bytes) -> None:
    with bounded(server, 64) as port:
        count, answer = sent(port, start, part, 90 * MIB)
    assert count < 8 * MIB  # what the buffers of both sockets take
    assert not answer or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 4"))


@pytest.mark.parametrize(
    ("start", "part", "pause", "longest"),
    [
        ("", b"", 0.0, 8),
        (PREDICT, b"a", 0.2, 8),
        (PREDICT + "Content-Length: 999\r\n\r\n", b"", 0.0, 8),
        (PREDICT + "Content-Length: 999\r\n\r\n", b" ", 0.2, 10),
    ],
    ids=["silence", "slow header", "pause in a body", "slow body"],
)
def test_a_slow_client(
    server: tuple[int, psutil.Process], start: str, part: bytes, pause: float, longest: float
) -> None:
    with bounded(server, 64) as port, ThreadPoolExecutor(20) as pool:
        began = time.monotonic()

        def slow(_: int) -> bytes:
            return sent(port, start, part, 100 * len(part), pause)[1]

        answers = list(pool.map(slow, range(20)))
        assert time.monotonic() - began < longest
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 408") or not answer


def test_unfinished_bodies_share_a_budget(server: tuple[int, psutil.Process]) -> None:
    """Thirty bodies of 20 MiB, of which a budget of 64 MiB holds one."""
    start = PREDICT + f"Content-Length: {20 * MIB + 1}\r\n\r\n"
    with bounded(server, 200) as port, ThreadPoolExecutor(30) as pool:
        parts = pool.map(lambda _: sent(port, start, b" " * MIB, 20 * MIB), range(30))
        answers = [answer for _, answer in parts]
    refused = [a for a in answers if a.startswith(b"HTTP/1.1 429")]
    assert len(refused) >= 15
    assert {a[:12] for a in answers} <= {b"HTTP/1.1 429", b"HTTP/1.1 408", b""}


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [' + b"0," * 2_000_000 + b"0]}",
        b'{"instances": [' + b"[" * 2_000_000,
        b" " * (100 * MIB),
    ],
    ids=["scalars", "lists", "space"],
)
def test_a_gzip_that_grows(server: tuple[int, psutil.Process], body: bytes) -> None:
    packed = gzip.compress(body, 9)
    with bounded(server, 150) as port, ThreadPoolExecutor(20) as pool:

        def ask(_: int) -> tuple[int, float]:
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(
                "POST", "/v1/models/half:predict", packed, {"Content-Encoding": "gzip"}
            )
            status = connection.getresponse().status
            connection.close()
            return status, time.monotonic() - began

        answers = list(pool.map(ask, range(20)))
    assert {status for status, _ in answers} <= {413, 429}
    assert max(seconds for _, seconds in answers) < 10


def test_the_server_still_answers(server: tuple[int, psutil.Process]) -> None:
    with bounded(server, 64) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for size in (1, 100, 50_000):
            body = b'{"instances": [' + b"1.0," * size + b"2.0]}"
            connection.request("POST", "/v1/models/half:predict", body)
            response = connection.getresponse()
            assert response.status == 200
            response.read()
        connection.close()
