"""Load for any server that speaks TF Serving's APIs: `python -m serving.checks.load URL MODEL`.

    python -m serving.checks.load grpc://localhost:8500 digits --rows 32 --input image=@7.png

Each client keeps one connection and asks again as soon as it is answered. Requests are encoded
once, before the clock starts, and answers are not decoded, so that what is measured is the server.
Hold TF Serving and the embedded server side by side with it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.client.client import DEFAULT_SIGNATURE, Client
from serving.client.rest_transport import predict_body
from serving.client.transport import Signature
from serving.wire.errors import ServingError
from serving.wire.tensors import STRING, fill

Send = Callable[[], None]
Connection = AbstractContextManager[Send]


@dataclass(frozen=True)
class Load:
    """What came of it. seconds: of each request that succeeded, float64 [requests]."""

    clients: int
    rows: int
    lasted: float
    seconds: NDArray[np.float64]
    failures: int

    @property
    def throughput(self) -> float:
        """Rows per second."""
        return len(self.seconds) * self.rows / self.lasted

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        return float(np.quantile(self.seconds, share)) * 1e3 if len(self.seconds) else float("nan")


def run(connect: Callable[[], Connection], clients: int, rows: int, seconds: float) -> Load:
    """Ask from several threads at once for some seconds.

    connect: makes what one client calls for each request of `rows` rows; it raises on failure.
    """
    took: list[list[float]] = [[] for _ in range(clients)]
    failures = [0] * clients
    start = threading.Barrier(clients + 1)
    end = 0.0

    def client(number: int) -> None:
        with connect() as send:
            with suppress(OSError, http.client.HTTPException):  # counted once the clock runs
                send()
            start.wait()
            while (began := time.perf_counter()) < end:
                try:
                    send()
                except (OSError, http.client.HTTPException):
                    failures[number] += 1
                    continue
                took[number].append(time.perf_counter() - began)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    end = time.perf_counter() + 1e9
    start.wait()
    began = time.perf_counter()
    end = began + seconds
    for thread in threads:
        thread.join()
    lasted = time.perf_counter() - began
    return Load(clients, rows, lasted, np.concatenate(took), sum(failures))


def connection(url: str, model: str, inputs: Mapping[str, np.ndarray]) -> Connection:
    """A connection to `url`, with a request for all tasks ready to be sent."""
    scheme, _, address = url.partition("://")
    if scheme == "http":
        return _rest(address, model, predict_body(DEFAULT_SIGNATURE, inputs))
    return _grpc(address, model, inputs)


def inputs_of(
    signature: Signature, rows: int, given: Mapping[str, Sequence[bytes]]
) -> dict[str, np.ndarray]:
    """[rows] of each input: the values given, over and over; else short texts and random numbers.

    Raises:
        ValueError: a value that is no number, for an input of numbers.
    """
    rng, made = np.random.default_rng(0), {}
    for name, spec in signature.inputs.items():
        if spec.data_type == STRING:
            values = np.empty(rows, object)
            texts = given.get(name) or [
                b"are we still on for lunch tomorrow?",
                b"ok",
                b"URGENT! call",
            ]
            values[:] = [texts[i % len(texts)] for i in range(rows)]
        elif name in given:
            values = np.resize(np.array([float(v) for v in given[name]], "float32"), rows)
        else:
            values = rng.random(rows).astype("float32")
        made[name] = values
    return made


@contextmanager
def _rest(address: str, model: str, body: bytes) -> Iterator[Send]:
    connection = http.client.HTTPConnection(address, timeout=60)
    path = f"/v1/models/{model}:predict"

    def ask() -> http.client.HTTPResponse:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse()

    def send() -> None:
        try:
            response = ask()
        except (ConnectionError, http.client.BadStatusLine):
            connection.close()  # the server closes connections that were idle for long
            response = ask()
        answer = response.read()
        if response.status != 200:
            raise OSError(answer.decode(errors="replace"))

    try:
        yield send
    finally:
        connection.close()


@contextmanager
def _grpc(address: str, model: str, inputs: Mapping[str, np.ndarray]) -> Iterator[Send]:
    import grpc

    from serving.wire import protos

    request = protos.PredictRequest()
    request.model_spec.name = model
    for name, values in inputs.items():
        fill(request.inputs[name], values)
    encoded = request.SerializeToString()
    options = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each client
    channel = grpc.insecure_channel(address, options)
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    def send() -> None:
        try:
            call(encoded, timeout=60)
        except grpc.RpcError as error:
            raise OSError(error.details()) from error

    try:
        yield send
    finally:
        channel.close()


def values_of(texts: Sequence[str]) -> dict[str, list[bytes]]:
    """`NAME=VALUE` or `NAME=@FILE`, each name as often as one likes, as values by name.

    Raises:
        ValueError: another form. OSError: a file that cannot be read.
    """
    found: dict[str, list[bytes]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(f"Expected NAME=VALUE or NAME=@FILE. Received: {text!r}")
        read = Path(value[1:]).read_bytes() if value.startswith("@") else value.encode()
        found.setdefault(name, []).append(read)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a request failed."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.checks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="http://host:port or grpc://host:port")
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rows", type=int, default=1, help="of each request")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE|@FILE")
    args = parser.parse_args(arguments)
    try:
        with Client(args.url, args.model, retries=3) as client:
            signature = client.metadata()[DEFAULT_SIGNATURE]
        inputs = inputs_of(signature, args.rows, values_of(args.input))
        load = run(
            lambda: connection(args.url, args.model, inputs),
            args.clients,
            args.rows,
            args.seconds,
        )
    except (ServingError, ValueError, OSError) as error:
        print(f"{args.url}: {error}", file=sys.stderr)
        return 2
    told = {
        "clients": load.clients,
        "rows_per_request": load.rows,
        "rows_per_s": round(load.throughput, 1),
        "p50_ms": round(load.percentile(0.5), 3),
        "p99_ms": round(load.percentile(0.99), 3),
        "failures": load.failures,
    }
    print(json.dumps(told))
    return 1 if load.failures else 0


if __name__ == "__main__":
    sys.exit(main())
