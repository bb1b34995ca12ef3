"""Send malformed requests: `python -m serving.checks.fuzz REST_URL GRPC_URL MODEL`.

A server passes if it refuses each of them with a proper error and keeps responding to good ones.
REST must respond with a 4xx, 501 or 503 status and `{"error": "…"}` in JSON; gRPC with a status
other than OK, UNKNOWN and INTERNAL. A random request that happens to be valid may succeed.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import grpc
import numpy as np

from serving.checks.arguments import BOTH_URLS, example_inputs, parse_values, parser_of
from serving.checks.malformed import MalformedRequest, MalformedRequests
from serving.client.client import Client
from serving.wire.errors import ServingError
from serving.wire.names import DEFAULT_SIGNATURE

_CHECK_EVERY = 100
"""After so many malformed requests, a good one must get the right outputs."""


class Sender:
    """Sends malformed requests to one server and checks that it refuses them properly."""

    def __init__(self, rest: str, grpc_address: str) -> None:
        """rest, grpc_address: `host:port`."""
        self._connection = http.client.HTTPConnection(rest, timeout=60)
        self._channel = grpc.insecure_channel(grpc_address)

    def send(self, request: MalformedRequest) -> str:
        """The HTTP status or the gRPC code of the response, such as `400` or `INVALID_ARGUMENT`.

        Raises:
            AssertionError: the server does not refuse the request properly.
        """
        return self._send_rest(request) if request.path else self._send_grpc(request)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()
        self._channel.close()

    def _send_rest(self, request: MalformedRequest) -> str:
        try:
            headers = dict(request.headers)
            self._connection.request(request.method, request.path, request.body, headers)
            response = self._connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            # the server refused before it had read the body: the next connection must work
            self._connection.close()
            self._connection.request("GET", "/v1/models/nobody")
            self._connection.getresponse().read()
            return "closed"
        body = response.read()
        if response.status == 200:
            json.loads(body)
            return "200"
        status, shown = response.status, body.decode(errors="replace")[:200]
        assert status in (400, 404, 413, 429, 501, 503), f"{request.kind}: {status} {shown}"
        if response.headers.get("Content-Type", "").startswith("application/json"):
            assert json.loads(body)["error"], f"{request.kind}: no error in {shown}"
        else:  # the HTTP library itself refused what is not HTTP
            assert status == 400, f"{request.kind}: {status} without JSON: {shown}"
        return str(status)

    def _send_grpc(self, request: MalformedRequest) -> str:
        try:
            self._channel.unary_unary(request.method)(request.body, timeout=60)
        except grpc.RpcError as error:
            code, details = str(error.code().name), str(error.details())
            assert code not in ("UNKNOWN", "INTERNAL"), f"{request.kind}: {code} {details[:200]}"
            return code
        return "OK"


def fuzz(
    rest: str,
    grpc_url: str,
    model: str,
    values: Mapping[str, Sequence[bytes]],
    cases: int,
    seed: int,
) -> Counter[tuple[str, str]]:
    """Send malformed requests, and a good one now and then.

    rest, grpc_url: the URLs of the two APIs. values: for the inputs of good requests, see
    `example_inputs`. cases: the number of malformed requests. seed: of the random choices.

    Returns:
        How often each kind of request got each response.

    Raises:
        AssertionError, ServingError: the server fails.
    """
    counts: Counter[tuple[str, str]] = Counter()
    with (
        Client(rest, model) as client,
        Sender(rest.partition("://")[2], grpc_url.partition("://")[2]) as sender,
    ):
        inputs = example_inputs(client.metadata()[DEFAULT_SIGNATURE], 2, values)
        expected = client.predict(inputs)
        requests = MalformedRequests(model, inputs, seed)
        for number in range(cases):
            request = requests.next()
            counts[request.kind, sender.send(request)] += 1
            if number % _CHECK_EVERY == 0:
                outputs = client.predict(inputs)
                for name, wanted in expected.items():
                    message = f"a good request got other values for {name}"
                    assert np.allclose(outputs[name], wanted, equal_nan=True), message
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if the server fails."""
    parser = parser_of("fuzz", __doc__, BOTH_URLS)
    parser.add_argument("--cases", type=int, default=10_000, help="number of malformed requests")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices")
    args = parser.parse_args(arguments)
    try:
        values = parse_values(args.input)
        counts = fuzz(args.rest_url, args.grpc_url, args.model, values, args.cases, args.seed)
    except (AssertionError, ServingError, OSError, ValueError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    for (kind, response), count in sorted(counts.items()):
        print(f"{kind:18} {response:22} {count:6}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
