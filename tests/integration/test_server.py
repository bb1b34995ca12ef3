"""The embedded server over real HTTP and gRPC, with SavedModels written by `serving.signatures`."""

import base64
import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serving.client.client import Client, Code, ServingError
from serving.server.exit_codes import UNLOADABLE
from serving.server.launch import ServerExited, ServerProcess
from serving.signatures import SignatureInput, export
from serving.versions.directory import Directory

INPUTS = [SignatureInput("image", "string"), SignatureInput("age", "float32")]


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """Makes SavedModels: `wide` is [batch, 2], `narrow` is [batch]; both are times a factor."""
    import tensorflow as tf

    root = tmp_path_factory.mktemp("models")

    def make(factor: float) -> Path:
        path = root / f"{factor:g}"
        if not path.exists():
            owner = tf.Module()
            owner.factor = tf.Variable(factor)

            def predict(raw: dict[str, Any]) -> dict[str, Any]:
                length = tf.cast(tf.strings.length(raw["image"]), tf.float32)
                both = tf.stack([length, raw["age"]], axis=1)
                return {"wide": owner.factor * both, "narrow": owner.factor * raw["age"]}

            export(predict, owner, INPUTS, ["wide", "narrow"], path)
        return path

    return make


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, saved_model: Callable[[float], Path]) -> Path:
    base = tmp_path_factory.mktemp("served")
    Directory(base).push("m", saved_model(2.0), "two")
    (base / "empty").mkdir()
    return base


@pytest.fixture(scope="module")
def ports(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess({"m": base / "m"}, log) as server:
        yield server.wait(60)


@pytest.fixture(params=["http", "grpc"])
def url(request: pytest.FixtureRequest, ports: dict[str, int]) -> str:
    port = ports["rest" if request.param == "http" else "grpc"]
    return f"{request.param}://127.0.0.1:{port}"


@pytest.fixture
def ask(ports: dict[str, int]) -> Iterator[Callable[..., tuple[int, Any]]]:
    connection = http.client.HTTPConnection("127.0.0.1", ports["rest"], timeout=30)

    def send(path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        encoded = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method or ("GET" if body is None else "POST"), path, encoded)
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(response.read())

    yield send
    connection.close()


IMAGE = {"b64": base64.b64encode(b"\xff\xd8\x00").decode()}
ROWS = [{"image": IMAGE, "age": 1.5}, {"image": "ab", "age": 3}]


# --- REST predict ---------------------------------------------------------------------------------


def test_rows_of_several_outputs_are_objects(ask: Callable[..., tuple[int, Any]]) -> None:
    assert ask("/v1/models/m:predict", {"instances": ROWS}) == (
        200,
        {"predictions": [{"narrow": 3.0, "wide": [6.0, 3.0]}, {"narrow": 6.0, "wide": [4.0, 6.0]}]},
    )


def test_rows_of_one_output_are_plain_values(ask: Callable[..., tuple[int, Any]]) -> None:
    body = {"signature_name": "wide", "instances": ROWS}
    assert ask("/v1/models/m:predict", body) == (200, {"predictions": [[6.0, 3.0], [4.0, 6.0]]})


def test_columns(ask: Callable[..., tuple[int, Any]]) -> None:
    inputs = {"image": [IMAGE, "ab"], "age": [1.5, 3]}
    assert ask("/v1/models/m/versions/1:predict", {"inputs": inputs}) == (
        200,
        {"outputs": {"narrow": [3.0, 6.0], "wide": [[6.0, 3.0], [4.0, 6.0]]}},
    )
    body = {"signature_name": "narrow", "inputs": inputs}
    assert ask("/v1/models/m:predict", body) == (200, {"outputs": [3.0, 6.0]})


def test_paths_ignore_case_and_missing_numbers_are_nan(ask: Callable[..., tuple[int, Any]]) -> None:
    body = b'{"signature_name": "narrow", "instances": [{"image": "", "age": NaN}]}'
    status, response = ask("/V1/Models/m:Predict", body)
    assert status == 200
    assert np.isnan(response["predictions"][0])


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/models/x:predict", {"instances": ROWS}, 404, "Servable not found .* Latest(x)"),
        ("/v1/models/m/versions/9:predict", {"instances": ROWS}, 404, "Specific(m, 9)"),
        (f"/v1/models/m/versions/{2**63}:predict", {}, 400, "Failed to convert version"),
        ("/v1/models/m/labels/new:predict", {}, 400, "Unrecognized servable version label: new"),
        ("/v1/models/m:predict", {"signature_name": "x"}, 400, '"x" not found in signature def'),
        ("/v1/models/m:predict", b"{", 400, "JSON Parse error"),
        ("/v1/models/m:predict", {"instances": ROWS, "inputs": 1}, 400, "only one of"),
        ("/v1/models/m:predict", {"instances": [{"age": 1}]}, 400, "keys must be equal to: age,"),
        ("/v1/models/m:predict", {"instances": [{"age": "1"}]}, 400, "not of expected type: float"),
        ("/v1/models/m:predict", {"inputs": {"age": 1, "image": ""}}, 400, "axis = 1"),
        ("/v1/models/m:classify", {"examples": []}, 400, "'examples' value is an empty array"),
        ("/v1/models/m:classify", {"examples": [{"a": 1}]}, 400, "Expected one input Tensor."),
        ("/v1/models/m:explain", {}, 400, "Malformed request: POST /v1/models/m:explain"),
        ("/v1/models/m:predict", None, 400, "Malformed request: GET /v1/models/m:predict"),
        ("/v1/models/x", None, 404, "Could not find any versions of model x"),
        ("/v1/models/m/versions/9", None, 404, "Could not find version 9 of model m"),
        ("/v1/models/x/metadata", None, 404, "Servable not found for request: Latest(x)"),
        ("/v1/models", None, 400, "Missing model name in request."),
        ("/x", None, 404, "Not found"),
    ],
)
def test_rest_errors_are_those_of_tf_serving(
    ask: Callable[..., tuple[int, Any]], path: str, body: Any, status: int, message: str
) -> None:
    received, document = ask(path, body)
    assert (received, list(document)) == (status, ["error"])
    for part in message.split(" .* "):
        assert part in document["error"]


# --- status and metadata --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/models/m", "/v1/models/m/versions/1"])
def test_status_body(ask: Callable[..., tuple[int, Any]], path: str) -> None:
    assert ask(path) == (
        200,
        {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        },
    )


def test_metadata_body(ask: Callable[..., tuple[int, Any]]) -> None:
    status, body = ask("/v1/models/m/metadata")
    assert status == 200
    assert body["model_spec"] == {"name": "m", "signature_name": "", "version": "1"}
    signatures = body["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) >= {"serving_default", "wide", "narrow"}
    assert signatures["wide"]["method_name"] == "tensorflow/serving/predict"
    assert signatures["wide"]["inputs"]["image"] == {
        "dtype": "DT_STRING",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": signatures["wide"]["inputs"]["image"]["name"],
    }


# --- the official gRPC stubs ----------------------------------------------------------------------


@pytest.fixture
def channel(ports: dict[str, int]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
        yield channel


def request_of(**inputs: Any) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_requests_from_the_official_grpc_stubs_are_answered(channel: grpc.Channel) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        prediction_service_pb2_grpc,
    )

    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = request_of(image=[b"abc"], age=np.float32([2]))
    request.output_filter.append("wide")
    response = service.Predict(request)
    assert list(response.outputs) == ["wide"]
    assert tf.make_ndarray(response.outputs["wide"]).tolist() == [[6.0, 4.0]]
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"

    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "m"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    service.GetModelMetadata(metadata).metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= {"serving_default", "wide", "narrow"}

    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "m"
    (version,) = (
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status).model_version_status
    )
    assert (version.version, version.state) == (1, version.AVAILABLE)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda r: r.model_spec.ClearField("name"), "INVALID_ARGUMENT", "no name specified"),
        (lambda r: setattr(r.model_spec, "name", "x"), "NOT_FOUND", "Latest(x)"),
        (lambda r: setattr(r.model_spec.version, "value", 7), "NOT_FOUND", "Specific(m, 7)"),
        (lambda r: setattr(r.model_spec, "version_label", "a"), "INVALID_ARGUMENT", "label: a"),
        (
            lambda r: setattr(r.model_spec, "signature_name", "x"),
            "FAILED_PRECONDITION",
            'Serving signature key "x" not found.',
        ),
        (
            lambda r: r.inputs["age"].CopyFrom(r.inputs["image"]),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but string is provided",
        ),
        (
            lambda r: r.inputs["age"].tensor_shape.dim.add(size=1),
            "INVALID_ARGUMENT",
            "Shapes of all inputs must match",
        ),
        (
            lambda r: r.inputs.pop("age"),
            "INVALID_ARGUMENT",
            "input size does not match signature: 1!=2",
        ),
        (lambda r: r.output_filter.append("x"), "INVALID_ARGUMENT", "alias not found"),
        (lambda r: r.output_filter.extend(["wide"] * 2), "INVALID_ARGUMENT", "duplicate output"),
        (
            lambda r: setattr(r.inputs["age"], "tensor_content", b"x"),
            "INVALID_ARGUMENT",
            "tensor parsing error: age",
        ),
    ],
)
def test_grpc_errors(
    channel: grpc.Channel, change: Callable[[Any], Any], code: str, message: str
) -> None:
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    request = request_of(image=[b"abc"], age=np.float32([2]))
    change(request)
    with pytest.raises(grpc.RpcError) as caught:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request)
    assert caught.value.code().name == code
    assert message in caught.value.details()


def test_tensorflow_refuses_inputs_with_different_batch_sizes(channel: grpc.Channel) -> None:
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        service.Predict(request_of(image=[b"abc", b"d"], age=np.float32([2])))
    assert caught.value.code().name == "INVALID_ARGUMENT"
    assert "hapes" in caught.value.details()


# --- our client, over both ------------------------------------------------------------------------


def test_client_predicts(url: str) -> None:
    inputs: dict[str, Any] = {"image": [b"\xff\xd8\x00", "ab"], "age": [1.5, 3]}
    with Client(url, "m") as client:
        outputs = client.predict(inputs)
    assert set(outputs) == {"wide", "narrow"}
    assert outputs["wide"].dtype == np.float32
    np.testing.assert_array_equal(outputs["wide"], [[6, 3], [4, 6]])
    with Client(url, "m", version=1, signature="narrow") as client:
        np.testing.assert_array_equal(client.predict(inputs)["narrow"], [3, 6])


def test_client_status_and_metadata(url: str) -> None:
    with Client(url, "m") as client:
        (version,) = client.status()
        assert (version.version, version.state, version.error_code) == (1, "AVAILABLE", "OK")
        signature = client.metadata()["narrow"]
        assert {name: spec.shape for name, spec in signature.inputs.items()} == {
            "image": (-1,),
            "age": (-1,),
        }
        assert list(signature.outputs) == ["narrow"]


@pytest.mark.parametrize(
    ("arguments", "inputs", "code", "message"),
    [
        ({"model": "x"}, {}, Code.NOT_FOUND, "Latest(x)"),
        ({"model": "m", "version": 7}, {}, Code.NOT_FOUND, "Specific(m, 7)"),
        ({"model": "m", "signature": "x"}, {}, Code.FAILED_PRECONDITION, "It has: narrow,"),
        ({"model": "m"}, {"size": [1]}, Code.INVALID_ARGUMENT, "Inputs: age, image"),
        ({"model": "m"}, {"age": ["old"]}, Code.INVALID_ARGUMENT, "takes DT_FLOAT"),
        ({"model": "m"}, {"image": [1]}, Code.INVALID_ARGUMENT, "text or bytes"),
        ({"model": "m"}, {"age": [1]}, Code.INVALID_ARGUMENT, "image"),
    ],
)
def test_client_errors(
    url: str, arguments: Any, inputs: dict[str, Any], code: Code, message: str
) -> None:
    with Client(url, **arguments) as client, pytest.raises(ServingError) as caught:
        client.predict(inputs)
    assert caught.value.code is code
    assert message in caught.value.message


# --- versions come and go -------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path, saved_model: Callable[[float], Path]) -> Iterator[tuple[Path, str]]:
    """A separate server: its base directory and its REST address."""
    Directory(tmp_path).push("m", saved_model(2.0), "two")
    with ServerProcess({"m": tmp_path / "m"}, tmp_path / "server.log") as server:
        yield tmp_path, f"http://127.0.0.1:{server.wait(60)['rest']}"


def wait_for(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not become true in time"
        time.sleep(0.05)


def test_versions_are_swapped_without_a_failed_request(
    own: tuple[Path, str], saved_model: Callable[[float], Path]
) -> None:
    base, address = own
    seen: list[float] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def keep_predicting() -> None:
        with Client(address, "m", signature="narrow") as client:
            while not stop.is_set():
                try:
                    seen.append(float(client.predict({"image": [""], "age": [1]})["narrow"][0]))
                except ServingError as error:
                    failures.append(error)

    thread = threading.Thread(target=keep_predicting)
    thread.start()
    try:
        wait_for(lambda: seen[-1:] == [2.0])
        Directory(base).push("m", saved_model(5.0), "five")
        wait_for(lambda: seen[-1:] == [5.0])
        shutil.rmtree(base / "m" / "2")  # rolled back
        wait_for(lambda: seen[-1:] == [2.0])
    finally:
        stop.set()
        thread.join()
    assert not failures
    assert set(seen) == {2.0, 5.0}


def test_a_broken_version_is_reported_and_the_good_one_stays(
    own: tuple[Path, str], saved_model: Callable[[float], Path]
) -> None:
    base, address = own
    broken = base / "m" / "2"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"\x01garbage")
    with Client(address, "m") as client:
        wait_for(lambda: len(client.status()) == 2)
        wait_for(lambda: client.status()[0].state == "END")
        newest, good = client.status()
        assert (newest.version, newest.error_code) == (2, "INVALID_ARGUMENT")
        assert newest.error_message
        assert (good.version, good.state) == (1, "AVAILABLE")
        assert client.predict({"image": [""], "age": [1]})["narrow"] == [2.0]
        shutil.copytree(saved_model(5.0), broken, dirs_exist_ok=True)  # repaired
        wait_for(lambda: client.status()[0].state == "AVAILABLE")
        assert client.predict({"image": [""], "age": [1]})["narrow"] == [5.0]


# --- the process ----------------------------------------------------------------------------------


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving.server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("option", ["--rest-port", "--grpc-port"])
def test_a_port_in_use_is_explained_in_one_line(base: Path, option: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = str(holder.getsockname()[1])
        other = "--grpc-port" if option == "--rest-port" else "--rest-port"
        done = start("--model", f"m={base / 'm'}", option, taken, other, "0")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "port" in line]
    assert len(lines) == 1
    assert taken in lines[0]
    assert option in lines[0]
    assert "Traceback" not in done.stderr


def test_it_prints_its_ports_and_stops_on_sigterm(base: Path) -> None:
    command = [sys.executable, "-m", "serving.server", "--model", f"m={base / 'm'}"]
    command += ["--rest-port", "0", "--grpc-port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        announced = json.loads(server.stdout.readline())
        assert announced["pid"] == server.pid
        for scheme, port in (("http", "rest_port"), ("grpc", "grpc_port")):
            with Client(f"{scheme}://127.0.0.1:{announced[port]}", "m") as client:
                assert client.status()[0].state == "AVAILABLE"
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


def test_the_state_is_loading_before_the_model_is_available(base: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    states = set()
    log = tmp_path / "server.log"
    with (
        ServerProcess({"m": base / "m"}, log, ["--rest-port", str(port)]) as server,
        Client(f"http://127.0.0.1:{port}", "m", timeout_s=5) as client,
    ):
        end = time.monotonic() + 60
        while "AVAILABLE" not in states and time.monotonic() < end:
            try:
                states.add(client.status()[0].state)
            except ServingError as error:
                assert error.code in (Code.UNAVAILABLE, Code.NOT_FOUND)
            time.sleep(0.02)
        assert states == {"LOADING", "AVAILABLE"}
        assert server.wait(1)["rest"] == port


def test_it_ends_when_its_parent_process_ends(base: Path, tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path\n"
        "from serving.server.launch import ServerProcess\n"
        f"server = ServerProcess({{'m': Path({str(base / 'm')!r})}}, Path(sys.argv[1]))\n"
        "server.wait(60); print(server.process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == -9
    pid = Path("/proc") / done.stdout.strip()
    wait_for(lambda: not pid.exists() or "\nState:\tZ" in (pid / "status").read_text())


def test_the_server_can_end_if_a_model_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    with ServerProcess({"m": tmp_path / "m"}, tmp_path / "log", ["--exit-on-failure"]) as server:
        with pytest.raises(ServerExited, match="m version 1 cannot be loaded") as caught:
            server.wait(60)
        assert caught.value.code == UNLOADABLE
