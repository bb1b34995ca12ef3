"""Further features of the server: Examples, labels, batching, limits, metrics, TLS, warm-up."""

import gzip
import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.client.client import Client, Code, ServingError
from serving.server.exit_codes import UNLOADABLE
from serving.server.launch import ServerExited, ServerProcess
from serving.signatures import Classes, SignatureInput, Value, export
from serving.versions.directory import Directory
from serving.warmup import FILE, write_warm_up
from serving.wire.names import METRICS_PATH

BODY_LIMIT = 50_000


def write_model(path: Path, factor: float) -> Path:
    """`sure` [batch, 1] and `sort` [batch, 3] are probabilities, `size` [batch, 1] a number."""
    import tensorflow as tf

    owner = tf.Module()
    owner.factor = tf.Variable(factor)

    def predict(raw: dict[str, Any]) -> dict[str, Any]:
        age = tf.where(tf.math.is_nan(raw["age"]), 0.0, raw["age"])
        known = tf.cast(raw["job"] == "cook", tf.float32)
        return {
            "sure": tf.sigmoid(age)[:, None],
            "sort": tf.nn.softmax(tf.stack([known, age, -age], axis=1)),
            "size": (owner.factor * age + known)[:, None],
        }

    inputs = [SignatureInput("age", "float32"), SignatureInput("job", "string")]
    meanings = [Classes("sure", ("no", "yes")), Classes("sort", ("a", "b", "c")), Value("size")]
    export(predict, owner, inputs, ["sure", "sort", "size"], path, meanings)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Path]:
    root = tmp_path_factory.mktemp("models")
    return {factor: write_model(root / f"{factor:g}", factor) for factor in (2.0, 3.0)}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, models: dict[float, Path]) -> Path:
    """Two versions; the older one is labelled stable."""
    base = tmp_path_factory.mktemp("served")
    Directory(base).push("m", models[2.0], "two")
    Directory(base).push("m", models[3.0], "three")
    Directory(base).label("m", "stable", 1)
    return base


@pytest.fixture(scope="module")
def ports(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    options = ["--batch-rows", "8", "--batch-wait-ms", "20", "--poll-seconds", "0.2"]
    options += ["--max-body-bytes", str(BODY_LIMIT)]
    with ServerProcess({"m": base / "m"}, log, options) as server:
        yield server.wait(60)


@pytest.fixture(scope="module")
def channel(ports: dict[str, int]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
        yield channel


Ask = Callable[..., tuple[int, http.client.HTTPMessage, bytes]]


@pytest.fixture
def ask(ports: dict[str, int]) -> Iterator[Ask]:
    connection = http.client.HTTPConnection("127.0.0.1", ports["rest"], timeout=30)

    def send(
        path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", path, encoded, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    yield send
    connection.close()


def results(response: tuple[int, http.client.HTTPMessage, bytes]) -> Any:
    status, _, body = response
    assert status == 200, body
    return json.loads(body)["results"]


def filled(message: Any, signature: str, *ages: float | None) -> Any:
    message.model_spec.name = "m"
    message.model_spec.signature_name = signature
    fill_examples(message.input, *ages)
    return message


def fill_examples(message: Any, *ages: float | None) -> None:
    for age in ages:
        example = message.example_list.examples.add()
        if age is not None:
            example.features.feature["age"].float_list.value.append(age)


# --- classify, regress, multi-inference -----------------------------------------------------------


def test_rest_classify_and_regress(ask: Ask) -> None:
    examples = [{"age": 0.0, "job": "cook"}, {"age": 1.5}]
    body = {"signature_name": "classify_sure", "examples": examples}
    (first, second) = results(ask("/v1/models/m:classify", body))
    assert first == [["no", 0.5], ["yes", 0.5]]
    assert second[1] == ["yes", pytest.approx(1 / (1 + np.exp(-1.5)))]
    body = {"signature_name": "regress_size", "context": {"job": "cook"}, "examples": examples}
    assert results(ask("/v1/models/m:regress", body)) == [1.0, 5.5]


@pytest.mark.parametrize(
    ("method", "body", "message"),
    [
        ("classify", {"examples": [{"age": 1.0}]}, "Expected one input Tensor."),
        ("regress", {"signature_name": "classify_sure", "examples": [{}]}, "one output Tensor."),
        ("classify", {"signature_name": "x", "examples": [{}]}, "No signature was found"),
        ("classify", {"signature_name": 1, "examples": [{}]}, "must be a string"),
        ("classify", {}, "'examples' is expected"),
        ("classify", {"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ("classify", {"context": 1, "examples": [{}]}, "Example must be JSON object"),
        ("classify", {"examples": [{"age": [1.0, "a"]}]}, "feature: age expecting type: float"),
        ("classify", {"examples": [{"age": {"a": 1}}]}, "unexpected JSON type: Object"),
        ("classify", {"examples": [{"age": None}]}, "unexpected JSON type: Null"),
        ("regress", {"signature_name": "regress_size", "examples": [{"age": 1}]}, "age"),
    ],
)
def test_rest_errors_of_examples(ask: Ask, method: str, body: Any, message: str) -> None:
    status, _, answer = ask(f"/v1/models/m:{method}", body)
    assert (status, message in json.loads(answer)["error"]) == (400, True), answer


def test_grpc_classify_regress_and_both(channel: grpc.Channel) -> None:
    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = filled(classification_pb2.ClassificationRequest(), "classify_sort", 0.0, None)
    response = service.Classify(request)
    assert [c.label for c in response.result.classifications[0].classes] == ["a", "b", "c"]
    assert response.result.classifications[1].classes[2].score == pytest.approx(1 / 3)
    assert response.model_spec.version.value == 2
    request = filled(regression_pb2.RegressionRequest(), "regress_size", 1.0, 2.0)
    assert [r.value for r in service.Regress(request).result.regressions] == [3.0, 6.0]

    both = inference_pb2.MultiInferenceRequest()
    fill_examples(both.input, 1.0)
    for signature, method in (("classify_sure", "classify"), ("regress_size", "regress")):
        task = both.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "m", signature
    first, second = service.MultiInference(both).results
    assert first.classification_result.classifications[0].classes[1].label == "yes"
    assert second.regression_result.regressions[0].value == 3.0
    both.tasks[1].method_name = "other"
    with pytest.raises(grpc.RpcError, match="Unsupported signature method_name"):
        service.MultiInference(both)


def test_the_context_is_merged_into_every_example(channel: grpc.Channel) -> None:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", "regress_size"
    examples = request.input.example_list_with_context
    examples.context.features.feature["age"].float_list.value.append(1.0)
    examples.examples.add()
    examples.examples.add().features.feature["age"].float_list.value.append(5.0)
    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    assert [r.value for r in service.Regress(request).result.regressions] == [3.0, 15.0]
    request.input.Clear()
    with pytest.raises(grpc.RpcError, match="Input is empty"):
        service.Regress(request)


# --- labels and configuration ---------------------------------------------------------------------


def test_a_request_with_a_label_reaches_the_labelled_version(
    ask: Ask, base: Path, models: Any
) -> None:
    body = {"signature_name": "size", "inputs": {"age": [1.0], "job": [""]}}

    def size(path: str) -> Any:
        status, _, answer = ask(f"/v1/models/m{path}:predict", body)
        return json.loads(answer)["outputs"] if status == 200 else json.loads(answer)["error"]

    assert (size(""), size("/labels/stable"), size("/versions/1")) == ([[3.0]], [[2.0]], [[2.0]])
    assert size("/labels/none") == "Unrecognized servable version label: none"
    status, _, answer = ask("/v1/models/m/labels/stable")  # as in TF Serving: all versions
    versions = json.loads(answer)["model_version_status"]
    assert (status, [(v["version"], v["state"]) for v in versions]) == (
        200,
        [("2", "AVAILABLE"), ("1", "AVAILABLE")],
    )
    Directory(base).label("m", "fresh", 2)
    wait_for(lambda: size("/labels/fresh") == [[3.0]])


def test_a_configuration_replaces_the_models(base: Path, models: Any, tmp_path: Path) -> None:
    Directory(tmp_path).push("other", models[2.0], "two")
    log = tmp_path / "log"
    with ServerProcess({"m": base / "m"}, log) as server:
        port = server.wait(60)["grpc"]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            service = model_service_pb2_grpc.ModelServiceStub(channel)
            request = model_management_pb2.ReloadConfigRequest()
            entries = request.config.model_config_list.config
            entry = entries.add(name="other", base_path=str(tmp_path / "other"))
            entry = entries.add(name="both", base_path=str(base / "m"), model_platform="tensorflow")
            entry.model_version_policy.specific.versions.extend([1, 2])
            entry.version_labels["canary"] = 2
            assert service.HandleReloadConfigRequest(request).status.error_code == 0
            url = f"grpc://127.0.0.1:{port}"
            for name, version, expected in (
                ("other", None, 2.0),
                ("both", 1, 2.0),
                ("both", 2, 3.0),
            ):
                with Client(url, name, version, "size") as client:
                    assert client.predict({"age": [1.0], "job": [""]})["size"] == [[expected]]
            with Client(url, "both", label="canary", signature="size") as client:
                assert client.predict({"age": [1.0], "job": [""]})["size"] == [[3.0]]
            with Client(url, "m") as client, pytest.raises(ServingError, match="NOT_FOUND"):
                client.status()
            entries.add(name="other", base_path="/nowhere")
            with pytest.raises(grpc.RpcError, match="multiple times"):
                service.HandleReloadConfigRequest(request)


# --- batching -------------------------------------------------------------------------------------


def test_batched_requests_get_their_own_answers(ports: dict[str, int], ask: Ask) -> None:
    def one(age: int) -> float:
        with Client(f"grpc://127.0.0.1:{ports['grpc']}", "m", signature="size") as client:
            rows = 1 + age % 3
            outputs = client.predict({"age": np.full(rows, age, "float32"), "job": [""] * rows})
            assert (outputs["size"] == 3.0 * age).all()
            return float(len(outputs["size"]))

    before = batches(ask)
    with ThreadPoolExecutor(8) as pool:
        rows = sum(pool.map(one, range(40)))
    runs, ran = (b - a for a, b in zip(before, batches(ask), strict=True))
    assert ran == rows
    assert runs < 40


def test_a_bad_request_in_a_batch_fails_alone(ports: dict[str, int]) -> None:
    def one(good: bool) -> str:
        address = f"http://127.0.0.1:{ports['rest']}"
        inputs: dict[str, Any] = {"age": [1.0], "job": ["" if good else b"\xff"]}
        with Client(address, "m", signature="size" if good else "nowhere") as client:
            try:
                return str(client.predict(inputs)["size"][0, 0])
            except ServingError as error:
                return error.code.name

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(one, [i % 4 != 0 for i in range(16)]))
    assert outcomes == ["3.0" if i % 4 else "FAILED_PRECONDITION" for i in range(16)]


def metrics(ask: Ask) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and values of the server's metrics, by name without TF Serving's prefix."""
    status, headers, body = ask(METRICS_PATH)
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    for line in body.decode().splitlines():
        if not line.startswith("#"):
            (family,) = text_string_to_metric_families(line)
            (sample,) = family.samples
            assert sample.name.startswith(":tensorflow:serving:")
            name = sample.name.removeprefix(":tensorflow:serving:")
            samples.setdefault(name, []).append((sample.labels, sample.value))
    return samples


def batches(ask: Ask) -> tuple[int, int]:
    """The number of batches so far, and of their rows."""
    name, samples = "batching_session:processed_batch_size", metrics(ask)
    if f"{name}_count" not in samples:
        return 0, 0
    (_, count), (_, rows) = samples[f"{name}_count"][0], samples[f"{name}_sum"][0]
    return int(count), int(rows)


# --- limits, compression, metrics, health ---------------------------------------------------------


def test_requests_and_responses_may_use_gzip(ask: Ask) -> None:
    body = json.dumps({"inputs": {"age": [1.0] * 500, "job": [""] * 500}}).encode()
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    status, received, answer = ask("/v1/models/m:predict", gzip.compress(body), headers)
    assert (status, received["Content-Encoding"]) == (200, "gzip")
    assert len(json.loads(gzip.decompress(answer))["outputs"]["size"]) == 500


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b" " * (BODY_LIMIT + 1), "identity", 413),
        (gzip.compress(b" " * 50_000_000, mtime=0), "gzip", 413),
        (b"not gzip", "gzip", 400),
        (gzip.compress(b"{}", mtime=0)[:-5], "gzip", 400),
        (b"{}", "br", 400),
    ],
)
def test_oversized_and_broken_bodies_are_refused(
    ask: Ask, body: bytes, encoding: str, status: int
) -> None:
    answered, _, answer = ask("/v1/models/m:predict", body, {"Content-Encoding": encoding})
    assert answered == status
    assert json.loads(answer)["error"]


def test_a_message_over_the_limit_is_refused_over_grpc(ports: dict[str, int]) -> None:
    with Client(f"grpc://127.0.0.1:{ports['grpc']}", "m") as client:
        inputs: dict[str, Any] = {"age": [1.0], "job": [b"x" * (BODY_LIMIT + 1)]}
        with pytest.raises(ServingError) as caught:
            client.predict(inputs)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


def test_metrics_have_the_names_of_tf_serving(ask: Ask) -> None:
    ask("/v1/models/m:predict", {"inputs": {"age": [1.0], "job": [""]}})
    ask("/v1/models/m:predict", {"inputs": 1})
    ask("/v1/models/unknown:predict", {"inputs": 1})
    samples = metrics(ask)
    statuses = [labels for labels, _ in samples["request_count"]]
    assert {"model_name": "m", "status": "OK"} in statuses
    assert {"model_name": "", "status": "NOT_FOUND"} in statuses
    where = {"model_name": "m", "API": "Predict", "entrypoint": "REST"}
    buckets = [
        (labels["le"], count)
        for labels, count in samples["request_latency_bucket"]
        if labels.items() >= where.items()
    ]
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert [bound for bound, _ in buckets[:3]] == ["10", "18", "32.4"]
    assert (len(buckets), buckets[-1][0]) == (34, "+Inf")
    (total,) = [n for labels, n in samples["request_latency_count"] if labels == where]
    assert total == counts[-1] > 0


def test_health(ask: Ask) -> None:
    status, _, body = ask("/health")
    assert (status, json.loads(body)) == (200, {"status": "ok"})


# --- token, TLS, configuration file, warm-up ------------------------------------------------------


def test_token_and_tls(base: Path, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    write_certificate(key, cert)
    (tmp_path / "token").write_text("secret\n")
    config = tmp_path / "models.config"
    config.write_text(
        'model_config_list { config { name: "m" base_path: "%s" model_platform: "tensorflow"\n'
        " model_version_policy { all {} } } }" % (base / "m")
    )
    options = ["--model-config-file", str(config), "--token-file", str(tmp_path / "token")]
    options += ["--tls-cert", str(cert), "--tls-key", str(key)]
    inputs: dict[str, Any] = {"age": [1.0], "job": [""]}
    with ServerProcess({}, tmp_path / "log", options) as server:
        ports = server.wait(60)
        for scheme, port in (("https", ports["rest"]), ("grpcs", ports["grpc"])):
            url = f"{scheme}://localhost:{port}"
            with Client(url, "m", 1, "size", token="secret", ca=cert) as client:
                assert client.predict(inputs)["size"] == [[2.0]]
            with Client(url, "m", token="wrong", ca=cert) as client:
                with pytest.raises(ServingError) as caught:
                    client.status()
                assert caught.value.code is Code.UNAUTHENTICATED
        context = ssl.create_default_context(cafile=cert)
        connection = http.client.HTTPSConnection("localhost", ports["rest"], context=context)
        connection.request("GET", "/health")  # for probes: without a token
        assert connection.getresponse().status == 200
        connection.close()


def write_certificate(key: Path, cert: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {cert}"
    subprocess.run(command.split(), check=True, capture_output=True)


def test_wrong_options_are_explained() -> None:
    command = [sys.executable, "-m", "serving.server", "--model-config-file", "/nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "/nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_warm_up_requests_are_replayed_and_must_succeed(tmp_path: Path) -> None:
    import tensorflow as tf

    model = write_model(tmp_path / "model", 2.0)
    write_warm_up(model, {"age": np.float32([1, 2]), "job": np.array([b"", b"cook"], object)})
    records = list(tf.data.TFRecordDataset(str(model / FILE)))
    assert len(records) == 2
    Directory(tmp_path).push("m", model, "good")
    with ServerProcess({"m": tmp_path / "m"}, tmp_path / "log", ["--exit-on-failure"]) as server:
        server.wait(60)
    write_warm_up(model, {"age": np.float32([1])})
    Directory(tmp_path).push("m", model, "bad")
    with ServerProcess({"m": tmp_path / "m"}, tmp_path / "log", ["--exit-on-failure"]) as server:
        with pytest.raises(ServerExited, match="Warm-up request 1: input size") as caught:
            server.wait(60)
            server.process.wait(60)
        assert caught.value.code == UNLOADABLE


def wait_for(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not become true in time"
        time.sleep(0.05)


def test_requests_beyond_the_pending_limit_are_refused(base: Path, tmp_path: Path) -> None:
    options = ["--max-pending", "1", "--batch-rows", "64", "--batch-wait-ms", "1500"]
    with ServerProcess({"m": base / "m"}, tmp_path / "log", options) as server:
        ports = server.wait(60)
        url = f"http://127.0.0.1:{ports['rest']}"
        body = {"signature_name": "size", "inputs": {"age": [1.0], "job": [""]}}
        codes: list[int] = []

        def send() -> None:
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
            connection.request("POST", "/v1/models/m:predict", json.dumps(body).encode())
            codes.append(connection.getresponse().status)
            connection.close()

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == [200, 429, 429, 429]
