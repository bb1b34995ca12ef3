"""The checks of `serving.checks`, on the embedded server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from serving.checks import conformance, fuzz, load
from serving.server.launch import ServerProcess
from serving.signatures import Classes, SignatureInput, Value, export
from serving.versions.directory import Directory


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    import tensorflow as tf

    base = tmp_path_factory.mktemp("served")

    def predict(raw: dict[str, Any]) -> dict[str, Any]:
        length = tf.cast(tf.strings.length(raw["text"]), tf.float32)
        return {"sure": tf.sigmoid(raw["age"])[:, None], "size": length[:, None]}

    inputs = [SignatureInput("age", "float32"), SignatureInput("text", "string")]
    meanings = [Classes("sure", ("no", "yes")), Value("size")]
    export(predict, tf.Module(), inputs, ["sure", "size"], base / "exported", meanings)
    Directory(base).push("m", base / "exported", "d")
    options = ["--batch-rows", "8", "--max-body-bytes", "1000000"]
    with ServerProcess({"m": base / "m"}, base / "log", options) as server:
        ports = server.wait(60)
        yield f"http://127.0.0.1:{ports['rest']}", f"grpc://127.0.0.1:{ports['grpc']}"


def test_malformed_requests_are_refused(urls: tuple[str, str]) -> None:
    counts = fuzz.fuzz(*urls, "m", {}, cases=400, seed=0)
    assert sum(counts.values()) == 400
    assert len({kind for kind, _ in counts}) >= 10
    refused = sum(count for (_, status), count in counts.items() if status not in ("200", "OK"))
    assert refused > 300


@pytest.mark.parametrize("protocol", [0, 1])
def test_the_load_check_measures_throughput(
    urls: tuple[str, str], protocol: int, capsys: Any
) -> None:
    arguments = [urls[protocol], "m", "--clients", "2", "--rows", "4", "--seconds", "0.3"]
    assert load.main(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["failures"] == 0
    assert result["rows_per_s"] > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert load.main([urls[protocol], "nobody"]) == 2
    message = capsys.readouterr().err
    assert "Could not find" in message or "Servable not found" in message


def test_the_embedded_server_conforms(urls: tuple[str, str], capsys: Any) -> None:
    assert conformance.main([*urls, "m"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("0 failed")
    assert len(lines) > 30
