"""TF Serving's own test cases, as requests to the embedded server. Each test counts them."""

from __future__ import annotations

import http.client
import json
import math
import random
import urllib.request
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest

from serving.server.launch import ServerProcess
from serving.versions.labels import Labels, write_labels
from tests.shared import shared_directory
from tests.tf_serving import grpc_cases, rest_examples, rest_predict, rest_requests
from tests.tf_serving.grpc_cases import GrpcCase
from tests.tf_serving.models import write_all
from tests.tf_serving.rest_case import RestCase

pytestmark = pytest.mark.slow
DAMAGED = 2000
FEWEST_REST, FEWEST_GRPC = 223, 94
"""How many cases were tried when the deviations were found."""


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports of a server with TF Serving's test models; their version directories are padded."""
    with shared_directory(tmp_path_factory, "tf_serving_models") as directory:
        if not any(directory.iterdir()):
            write_all(directory)
            labels = Labels({"stable": 123, "odd/label": 123})
            write_labels(directory / "half_plus_two", labels)
        models = {path.name: path for path in directory.iterdir()}
    server = ServerProcess(models, tmp_path_factory.mktemp("server") / "log")
    try:
        yield server.wait(120)
    finally:
        server.stop()


def test_rest(ports: dict[str, int], request: pytest.FixtureRequest) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ports["rest"], timeout=60)
    request.addfinalizer(connection.close)
    tables = (rest_requests, rest_predict, rest_examples)
    cases = [case for table in tables for case in table.cases()]
    failures = [failure for case in cases if (failure := _failure(connection, case))]
    print(f"REST: tried {len(cases)}, passed {len(cases) - len(failures)}")
    assert not failures, "\n".join(failures)
    assert len(cases) >= FEWEST_REST


def test_metadata(ports: dict[str, int]) -> None:
    """The signatures in full, also that with which TensorFlow 2 initialises a model."""
    for model, initialises in (("half_plus_two", False), ("half_plus_two_tf2", True)):
        url = f"http://127.0.0.1:{ports['rest']}/v1/models/{model}/metadata"
        with urllib.request.urlopen(url, timeout=60) as response:
            document = json.load(response)
        spec = {"name": model, "signature_name": "", "version": "123"}
        assert document["model_spec"] == spec
        signatures = document["metadata"]["signature_def"]["signature_def"]
        assert ("__saved_model_init_op" in signatures) is initialises
        default = signatures["serving_default"]
        assert default["method_name"] == "tensorflow/serving/predict"
        assert default["inputs"]["x"]["dtype"] == "DT_FLOAT"
        assert set(default["inputs"]["x"]["tensor_shape"]) == {"dim", "unknown_rank"}


def test_damaged_requests_are_never_errors_of_the_server(
    ports: dict[str, int], request: pytest.FixtureRequest
) -> None:
    generator = random.Random(0)
    connection = http.client.HTTPConnection("127.0.0.1", ports["rest"], timeout=60)
    request.addfinalizer(connection.close)
    tables = (rest_requests, rest_predict, rest_examples)
    bodies = [(c.path, c.body) for table in tables for c in table.cases() if c.method == "POST"]
    small = [(path, body) for path, body in bodies if 1 < len(body) < 1000]
    statuses: Counter[int] = Counter()
    for _ in range(DAMAGED):
        path, body = generator.choice(small)
        damaged = bytearray(body)
        for _ in range(generator.randrange(1, 4)):
            position = generator.randrange(len(damaged))
            other = generator.choice(small)[1]
            change = generator.choice((b"", generator.randbytes(1), other[: len(other) // 2]))
            damaged[position : position + generator.randrange(4)] = change or b" "
        connection.request("POST", path, bytes(damaged))
        response = connection.getresponse()
        text = response.read()
        statuses[response.status] += 1
        assert response.status in (200, 400, 404, 501), (path, bytes(damaged), text)
        if response.status != 200:
            assert list(json.loads(text)) == ["error"]
    print(f"damaged: tried {DAMAGED}, {dict(statuses)}")


def _failure(connection: http.client.HTTPConnection, case: RestCase) -> str | None:
    """What is wrong with the response; None if it is as expected."""
    connection.request(case.method, case.path, case.body, dict(case.headers))
    response = connection.getresponse()
    received = response.read()
    if response.status != case.status:
        return f"{case.method} {case.path} {case.body[:80]!r}: {response.status} {received[:300]!r}"
    if case.expected is None:
        return None
    document = json.loads(received)
    if case.status == 200:
        good = _equal(document, case.expected)
    else:
        good = list(document) == ["error"] and case.expected in document["error"]
    if good:
        return None
    return f"{case.path} {case.body[:80]!r}: {received[:300]!r} instead of {case.expected!r}"


def _equal(one: object, other: object) -> bool:
    """Whether two JSON values are equal; floats as floats of 32 bits, and NaN equals NaN."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-7) or (math.isnan(one) and math.isnan(other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def test_grpc(ports: dict[str, int]) -> None:
    cases = list(grpc_cases.cases())
    with grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
        failures = [failure for case in cases if (failure := _grpc_failure(channel, case))]
    print(f"gRPC: tried {len(cases)}, passed {len(cases) - len(failures)}")
    assert not failures, "\n".join(failures)
    assert len(cases) >= FEWEST_GRPC


def _grpc_failure(channel: grpc.Channel, case: GrpcCase) -> str | None:
    """What is wrong with the response; None if it is as expected."""
    call = channel.unary_unary(case.path, type(case.request).SerializeToString)
    try:
        response = case.response_class.FromString(call(case.request, timeout=60))
    except grpc.RpcError as error:
        if case.code is error.code() and case.expected in error.details():
            return None
        return f"{case.method} {case.request}: {error.code()} {error.details()[:300]}"
    if case.code is None and response == case.expected:
        return None
    return f"{case.method} {case.request}: {response} instead of {case.expected}"
