"""Measure a server under load: `python -m serving.checks.load URL MODEL`.

    python -m serving.checks.load grpc://localhost:8500 digits --rows 32 --input image=@7.png

Each client keeps one connection and sends the next request as soon as it has the response.
Requests are encoded once before the measurement, and responses are not decoded, so that the server
is measured and not the client. Use it to compare TF Serving and the embedded server.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from serving.checks.arguments import example_inputs, parse_values, parser_of
from serving.client.client import Client
from serving.client.rest_transport import predict_body
from serving.wire.errors import ServingError
from serving.wire.names import DEFAULT_SIGNATURE, PREDICTION_SERVICE

Send = Callable[[], None]
Connection = AbstractContextManager[Send]


@dataclass(frozen=True)
class Load:
    """The result of a measurement.

    seconds: latency of each successful request, float64 [requests]. duration: in seconds.
    """

    clients: int
    rows: int
    duration: float
    seconds: NDArray[np.float64]
    failures: int

    @property
    def throughput(self) -> float:
        return len(self.seconds) * self.rows / self.duration

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share of the requests did not exceed."""
        return float(np.quantile(self.seconds, share)) * 1e3 if len(self.seconds) else float("nan")


def run(connect: Callable[[], Connection], clients: int, rows: int, seconds: float) -> Load:
    """Send requests from several threads for some seconds.

    connect: opens the connection of one client. In the block, the client calls the received
        function for each request; it raises OSError on failure.
    clients: the number of threads. rows: of each request.
    """
    latencies: list[list[float]] = [[] for _ in range(clients)]
    failures = [0] * clients
    start = threading.Barrier(clients + 1)
    end = 0.0

    def client(number: int) -> None:
        with connect() as send:
            with suppress(OSError, http.client.HTTPException):  # failures count from the start on
                send()
            start.wait()
            while (sent := time.perf_counter()) < end:
                try:
                    send()
                except (OSError, http.client.HTTPException):
                    failures[number] += 1
                    continue
                latencies[number].append(time.perf_counter() - sent)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    end = time.perf_counter() + 1e9
    start.wait()
    started = time.perf_counter()
    end = started + seconds
    for thread in threads:
        thread.join()
    duration = time.perf_counter() - started
    return Load(clients, rows, duration, np.concatenate(latencies), sum(failures))


def connection(url: str, model: str, inputs: Mapping[str, np.ndarray]) -> Connection:
    """A connection to `url` with an encoded request for all tasks."""
    scheme, _, address = url.partition("://")
    if scheme == "http":
        return _rest(address, model, predict_body(DEFAULT_SIGNATURE, inputs))
    return _grpc(address, model, inputs)


@contextmanager
def _rest(address: str, model: str, request_body: bytes) -> Iterator[Send]:
    connection = http.client.HTTPConnection(address, timeout=60)
    path = f"/v1/models/{model}:predict"

    def request() -> http.client.HTTPResponse:
        connection.request("POST", path, request_body, {"Content-Type": "application/json"})
        return connection.getresponse()

    def send() -> None:
        try:
            response = request()
        except (ConnectionError, http.client.BadStatusLine):
            connection.close()  # the server closes connections that are idle for long
            response = request()
        body = response.read()
        if response.status != 200:
            raise OSError(body.decode(errors="replace"))

    try:
        yield send
    finally:
        connection.close()


@contextmanager
def _grpc(address: str, model: str, inputs: Mapping[str, np.ndarray]) -> Iterator[Send]:
    import grpc

    from serving.wire import protos

    encoded = protos.predict_request(model, inputs).SerializeToString()
    options = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each client
    channel = grpc.insecure_channel(address, options)
    call = channel.unary_unary(f"/{PREDICTION_SERVICE}/Predict")

    def send() -> None:
        try:
            call(encoded, timeout=60)
        except grpc.RpcError as error:
            raise OSError(error.details()) from error

    try:
        yield send
    finally:
        channel.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a request failed."""
    parser = parser_of("load", __doc__, {"url": "http://host:port or grpc://host:port"})
    parser.add_argument("--clients", type=int, default=8, help="number of simultaneous clients")
    parser.add_argument("--rows", type=int, default=1, help="rows per request")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the measurement")
    args = parser.parse_args(arguments)
    try:
        with Client(args.url, args.model, retries=3) as client:
            signature = client.metadata()[DEFAULT_SIGNATURE]
        inputs = example_inputs(signature, args.rows, parse_values(args.input))
        connect = partial(connection, args.url, args.model, inputs)
        load = run(connect, args.clients, args.rows, args.seconds)
    except (ServingError, ValueError, OSError) as error:
        print(f"{args.url}: {error}", file=sys.stderr)
        return 2
    result = {
        "clients": load.clients,
        "rows_per_request": load.rows,
        "rows_per_s": round(load.throughput, 1),
        "p50_ms": round(load.percentile(0.5), 3),
        "p99_ms": round(load.percentile(0.99), 3),
        "failures": load.failures,
    }
    print(json.dumps(result))
    return 1 if load.failures else 0


if __name__ == "__main__":
    sys.exit(main())
